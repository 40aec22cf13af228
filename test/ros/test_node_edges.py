"""Bad luck and bad input over DDS: what is lost is counted by its reason, the rest goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")

from diagnostic_msgs.msg import DiagnosticArray
from perception_stack.msg import TrackedObjectArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray

import perception_stack.detection.detector
from perception_stack.datatypes import (
    ColorImage,
    DepthImage,
    Detections2D,
    PointCloud,
    TrackedObjects,
)
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io import messages
from perception_stack.journal import Reason
from perception_stack.ros import conversions
from perception_stack.ros.nodes.detector_node import DetectorNode
from perception_stack.ros.nodes.perception_node import PerceptionNode

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros

START_NS = 1_000_000_000_000
PERIOD_NS = 100_000_000
CAR_XY_M = (10.0, 2.0)
CAMERA = CameraModel.pinhole(
    frame_id="camera_optical",
    width_px=64,
    height_px=48,
    k=np.array([[40.0, 0, 32], [0, 40, 24], [0, 0, 1]]),
)


def street() -> np.ndarray:
    """Ground 1.7 m below the sensor, and two sides of a car-sized box on it."""
    rng = np.random.default_rng(0)
    ground = np.column_stack([rng.uniform(-30, 30, (20000, 2)), rng.normal(-1.7, 0.01, 20000)])
    ground = ground[np.linalg.norm(ground[:, :2] - CAR_XY_M, axis=1) > 3]
    x, y = CAR_XY_M
    back = rng.uniform([x - 2.0, y - 0.9, -1.6], [x - 2.0, y + 0.9, -0.2], (600, 3))
    side = rng.uniform([x - 2.0, y - 0.9, -1.6], [x + 2.0, y - 0.9, -0.2], (900, 3))
    return np.vstack([ground, back, side]).astype(np.float32)


def cloud(stamp_ns: int, xyz_m: np.ndarray | None = None) -> PointCloud2:
    points = street() if xyz_m is None else xyz_m
    return conversions.cloud_msg(PointCloud(frame_id="lidar", stamp_ns=stamp_ns, xyz_m=points))


def standing(stamp_ns: int) -> TFMessage:
    odom_from_lidar = RigidTransform(
        target="odom", source="lidar", rotation=np.eye(3), translation_m=np.zeros(3)
    )
    return conversions.transforms_msg([odom_from_lidar], stamp_ns=stamp_ns)


def counted(node: Any, step: str) -> dict[Reason, int]:
    counts: dict[Reason, int] = node.journals[step].counts
    return counts


def nearest(objects: TrackedObjects) -> int:
    away_m = np.linalg.norm(objects.boxes.center_m[:, :2] - CAR_XY_M, axis=1)
    return int(away_m.argmin())


def distance_m(objects: TrackedObjects) -> float:
    """How far the nearest object is from the car."""
    centers_m = objects.boxes.center_m[:, :2]
    return float(np.linalg.norm(centers_m - CAR_XY_M, axis=1).min(initial=np.inf))


class Drive:
    """A standing vehicle in front of a car, seen by a one-process node."""

    def __init__(self, bench: Bench, **parameters: Any) -> None:
        self.bench = bench
        self.node = bench.start(PerceptionNode, **parameters)
        self.lists = bench.listen(TrackedObjectArray, "objects")
        self.tf = bench.talk(TFMessage, "/tf")
        self.points = bench.talk(PointCloud2, "points")

    def frame(self, points: PointCloud2) -> Any:
        """The list of one more cloud."""
        num, stamp_ns = len(self.lists), messages.stamp_ns(points.header)
        self.tf.publish(standing(stamp_ns))
        self.points.publish(points)
        self.bench.until(lambda: len(self.lists) > num, f"the list of {stamp_ns}")
        objects = messages.objects_from_msg(self.lists[-1])
        assert objects.stamp_ns == stamp_ns
        return objects

    def car(self, start_ns: int, num: int = 8) -> Any:
        """Identity of the car after some frames; it must be where it stands."""
        for i in range(num):
            objects = self.frame(cloud(start_ns + i * PERIOD_NS))
        assert distance_m(objects) < 0.3
        return objects.ids[nearest(objects)]


@pytest.mark.parametrize(
    "back_s", [pytest.param(100, id="recording-looped"), pytest.param(3, id="within-history")]
)
def test_stamps_that_jump_back_begin_anew(bench: Bench, back_s: int) -> None:
    drive = Drive(bench)
    first = drive.car(START_NS)
    second = drive.car(START_NS - back_s * 10**9)
    assert first != second
    for step in ("fusion", "tracker"):
        assert counted(drive.node, step)[Reason.STAMP_JUMP] == 1
    assert Reason.NO_TRANSFORM not in counted(drive.node, "tracker")


def test_transform_after_the_cloud_is_waited_for(bench: Bench) -> None:
    drive = Drive(bench, tracker__transform_timeout_s=10.0)
    drive.frame(cloud(START_NS))
    statuses = bench.listen(DiagnosticArray, "/diagnostics")
    drive.points.publish(cloud(START_NS + PERIOD_NS))

    def num_clouds() -> int:
        values = {one.key: one.value for one in statuses[-1].status[0].values} if statuses else {}
        return int(values.get("frames", 0))

    bench.until(lambda: num_clouds() == 2, "the cloud to be worked on")
    assert len(drive.lists) == 1
    drive.tf.publish(standing(START_NS + 2 * PERIOD_NS))
    bench.until(lambda: len(drive.lists) == 2, "the list")
    assert messages.stamp_ns(drive.lists[1].header) == START_NS + PERIOD_NS
    assert counted(drive.node, "tracker") == {}


def test_nan_in_a_cloud_costs_the_point(bench: Bench) -> None:
    drive = Drive(bench)
    num_bad = 500
    # as an organised cloud has it where the laser came back from nowhere
    points = np.vstack([np.full((num_bad, 3), np.nan, np.float32), street()])
    for i in range(8):
        objects = drive.frame(cloud(START_NS + i * PERIOD_NS, points))
    assert counted(drive.node, "lidar_detector")[Reason.NON_FINITE_POINTS] == 8 * num_bad
    assert distance_m(objects) < 0.3


@pytest.mark.parametrize("has_intensity", [False, True], ids=["positions-only", "intensity"])
def test_intensity_is_not_needed(bench: Bench, has_intensity: bool) -> None:
    drive = Drive(bench)
    xyz_m = street()
    intensity = np.linspace(0, 1, len(xyz_m), dtype=np.float32) if has_intensity else None
    for i in range(8):
        points = PointCloud(
            frame_id="lidar",
            stamp_ns=START_NS + i * PERIOD_NS,
            xyz_m=xyz_m,
            intensity=intensity,
        )
        objects = drive.frame(messages.cloud_to_msg(points, build=conversions.build))
    assert distance_m(objects) < 0.3


def uncalibrated(stamp_ns: int) -> CameraInfo:
    info = conversions.camera_info_msg(CAMERA, stamp_ns=stamp_ns)
    info.k = np.zeros(9)
    return info


def depth(stamp_ns: int, **changes: Any) -> Image:
    one = DepthImage(
        frame_id="camera_optical", stamp_ns=stamp_ns, depth_m=np.ones((48, 64), np.float32)
    )
    message = messages.depth_to_msg(one, build=conversions.build)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


EMPTY = {"width": 0, "height": 0, "step": 0, "data": b""}


@pytest.mark.parametrize(
    ("msg_type", "topic", "message", "reason", "said"),
    [
        pytest.param(
            CameraInfo,
            "camera_info",
            uncalibrated,
            Reason.BAD_CALIBRATION,
            "camera 'camera_optical' is uncalibrated (K[0] is 0)",
            id="uncalibrated-camera",
        ),
        pytest.param(
            Image,
            "depth",
            lambda stamp_ns: depth(stamp_ns, **EMPTY),
            Reason.UNDECODABLE,
            "image has no pixels (0x0)",
            id="empty-depth-image",
        ),
        pytest.param(
            Image,
            "depth",
            lambda stamp_ns: depth(stamp_ns, encoding="16SC9"),
            Reason.UNDECODABLE,
            "image encoding '16SC9' is not one of",
            id="unknown-encoding",
        ),
        pytest.param(
            Image,
            "depth",
            lambda stamp_ns: depth(stamp_ns, data=bytes(7)),
            Reason.UNDECODABLE,
            "12288 bytes by height and step, but 7 in the message",
            id="cut-off-image",
        ),
    ],
)
def test_bad_input_costs_itself_and_the_chain_goes_on(
    bench: Bench,
    msg_type: Any,
    topic: str,
    message: Callable[[int], Any],
    reason: Reason,
    said: str,
) -> None:
    drive = Drive(bench)
    drive.frame(cloud(START_NS))
    bench.talk(msg_type, topic).publish(message(START_NS + 1))
    journal = drive.node.journals["lidar_detector"]
    bench.until(lambda: journal.counts.get(reason), "the reason")
    assert journal.counts[reason] == 1
    assert journal.last(reason).stamp_ns == START_NS + 1
    assert said in journal.last(reason).detail
    drive.frame(cloud(START_NS + PERIOD_NS))


class Blind:
    """Stands for a model that finds nothing."""

    def __init__(self, *_: Any) -> None:
        pass

    gives: frozenset[str] = frozenset()
    score_threshold = 0.3

    def detect_all(self, images: list[ColorImage]) -> list[Detections2D]:
        return [Detections2D.empty(frame_id=one.frame_id, stamp_ns=one.stamp_ns) for one in images]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(EMPTY, id="empty"),
        pytest.param({"encoding": "bgr9"}, id="unknown-encoding"),
        pytest.param({"step": 3}, id="step-too-small"),
        pytest.param({"data": b""}, id="no-data"),
    ],
)
def test_bad_image_costs_itself(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr(perception_stack.detection.detector, "Detector", Blind)
    node = bench.start(DetectorNode, detector__model="blind.yaml")
    detections = bench.listen(Detection2DArray, "detections")
    images = bench.talk(Image, "image")
    pixels = ColorImage(
        frame_id="camera", stamp_ns=START_NS, bgr=np.zeros((4, 6, 3), dtype=np.uint8)
    )
    bad, good = (messages.image_to_msg(pixels, build=conversions.build) for _ in range(2))
    for name, value in changes.items():
        setattr(bad, name, value)
    good.header.stamp.nanosec = 7
    images.publish(bad)
    bench.until(lambda: bool(counted(node, "detector")), "the bad image to be counted")
    images.publish(good)
    bench.until(lambda: bool(detections), "the detections of the good image")
    assert messages.stamp_ns(detections[0].header) == START_NS + 7
    assert counted(node, "detector") == {Reason.UNDECODABLE: 1}
