"""Each node over real DDS: the values it sends, and what it does with bad input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from perception_stack.msg import TrackedObjectArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import Marker, MarkerArray

from perception_stack.datatypes import Boxes3D, Detections2D, PointCloud
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform, quat_from_yaw
from perception_stack.io import messages
from perception_stack.journal import Reason
from perception_stack.ros import conversions
from perception_stack.ros.nodes import perception_node
from perception_stack.ros.nodes.detector_node import DetectorNode
from perception_stack.ros.nodes.fusion_node import FusionNode
from perception_stack.ros.nodes.lidar_detector_node import LidarDetectorNode
from perception_stack.ros.nodes.perception_node import PerceptionNode
from perception_stack.ros.nodes.tracker_node import TrackerNode

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros

START_NS = 1_000_000_000_000
PERIOD_NS = 100_000_000


def street(center: tuple[float, float] = (10.0, 2.0)) -> np.ndarray:
    """Ground 1.7 m below the sensor, and the near sides of a car-sized box on it."""
    rng = np.random.default_rng(0)
    ground = np.column_stack([rng.uniform(-30, 30, (20000, 2)), rng.normal(-1.7, 0.01, 20000)])
    ground = ground[np.linalg.norm(ground[:, :2] - center, axis=1) > 3]
    x, y = center
    back = np.column_stack(
        [np.full(600, x - 2.0), rng.uniform(y - 0.9, y + 0.9, 600), rng.uniform(-1.6, -0.2, 600)]
    )
    side = np.column_stack(
        [rng.uniform(x - 2, x + 2, 900), np.full(900, y - 0.9), rng.uniform(-1.6, -0.2, 900)]
    )
    return np.vstack([ground, back, side]).astype(np.float32)


def cloud(stamp_ns: int = START_NS, xyz_m: np.ndarray | None = None) -> PointCloud2:
    points = street() if xyz_m is None else xyz_m
    return conversions.cloud_msg(PointCloud(frame_id="lidar", stamp_ns=stamp_ns, xyz_m=points))


def boxes(stamp_ns: int, center: tuple[float, float, float], frame_id: str = "lidar") -> Boxes3D:
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        center_m=np.array([center], float),
        quat_xyzw=np.array([[0, 0, 0, 1.0]]),
        size_lwh_m=np.array([[4.0, 1.8, 1.5]]),
        covariance=np.diag([0.01, 0.01, 0.01, 0.01, 0.01, 0.01])[None],
        score=np.array([0.9]),
        classes=("car", "unknown"),
        class_probs=np.array([[0.9, 0.1]]),
        sensors=(("lidar",),),
    )


def ego(x_m: float, yaw_rad: float = 0.0) -> RigidTransform:
    return RigidTransform.from_quat(
        target="odom",
        source="lidar",
        quat_xyzw=quat_from_yaw(yaw_rad),
        translation_m=np.array([x_m, 0, 0]),
    )


def count(node: Any, step: str, reason: Reason) -> int:
    return int(node.journals[step].counts.get(reason, 0))


def test_lidar_detector_boxes_what_stands_on_the_ground(bench: Bench) -> None:
    bench.start(LidarDetectorNode)
    clusters = bench.listen(Detection3DArray, "clusters")
    bench.talk(PointCloud2, "points").publish(cloud())
    bench.until(lambda: bool(clusters), "clusters")
    found = messages.boxes3d_from_msg(clusters[0])
    assert (found.stamp_ns, found.frame_id) == (START_NS, "lidar")
    nearest = np.argmin(np.linalg.norm(found.center_m[:, :2] - [10, 2], axis=1))
    np.testing.assert_allclose(found.center_m[nearest, :2], [10, 2], atol=0.3)
    assert found.size_lwh_m[nearest, 0] == pytest.approx(4.0, abs=0.4)
    assert found.sensors[nearest] == ("lidar",)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        pytest.param(np.empty((0, 3), np.float32), Reason.EMPTY_CLOUD, id="empty"),
        pytest.param(np.full((50, 3), np.nan, np.float32), Reason.NO_VALID_POINTS, id="all-nan"),
    ],
)
def test_lidar_detector_says_why_there_is_nothing(
    bench: Bench, points: np.ndarray, reason: Reason
) -> None:
    node = bench.start(LidarDetectorNode)
    clusters = bench.listen(Detection3DArray, "clusters")
    bench.talk(PointCloud2, "points").publish(cloud(xyz_m=points))
    bench.until(lambda: bool(clusters), "an empty list")
    assert len(clusters[0].detections) == 0
    assert clusters[0].header.stamp.sec == START_NS // 10**9
    assert count(node, "lidar_detector", reason) >= 1


def test_malformed_cloud_costs_itself_and_nothing_else(bench: Bench) -> None:
    node = bench.start(LidarDetectorNode)
    clusters = bench.listen(Detection3DArray, "clusters")
    statuses = bench.listen(DiagnosticArray, "/diagnostics")
    points = bench.talk(PointCloud2, "points")
    bad = cloud()
    bad.fields = bad.fields[:1]
    points.publish(bad)
    points.publish(cloud(START_NS + PERIOD_NS))
    bench.until(lambda: bool(clusters), "clusters of the good cloud")
    assert messages.stamp_ns(clusters[0].header) == START_NS + PERIOD_NS
    assert count(node, "lidar_detector", Reason.UNDECODABLE) == 1

    def warned() -> list[DiagnosticStatus]:
        everything = [status for array in statuses for status in array.status]
        return [status for status in everything if status.level == DiagnosticStatus.WARN]

    bench.until(lambda: bool(warned()), "a warning in the diagnostics")
    values = {one.key: one.value for one in warned()[0].values}
    assert values["dropped.undecodable"] == "1"
    assert "no field y, z" in values["last.undecodable"]


def test_detector_that_only_builds_ends_by_itself(data_dir: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = Path(__file__).resolve().parents[2] / "config" / "models" / "fastestdet.yaml"
    values = {"model": model, "model_dir": data_dir / "checkpoints_2d", "build_only": "true"}
    args = [word for name, value in values.items() for word in ("-p", f"detector.{name}:={value}")]
    code = "from perception_stack.ros.nodes.detector_node import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--ros-args", *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the model is built and loads" in done.stdout + done.stderr


def test_detector_without_a_model_says_so_and_claims_nothing(bench: Bench) -> None:
    node = bench.start(DetectorNode)
    image = Image(height=2, width=2, encoding="bgr8", step=6, data=bytes(12))
    bench.talk(Image, "image").publish(image)
    bench.until(lambda: count(node, "detector", Reason.NO_MODEL) == 1, "the reason")
    assert bench.peer.count_publishers("detections") == 0


def test_tracker_lists_in_the_fixed_frame_at_the_stamp_of_the_boxes(bench: Bench) -> None:
    bench.start(TrackerNode)
    lists = bench.listen(TrackedObjectArray, "objects")
    vision = bench.listen(Detection3DArray, "objects/vision")
    obstacles = bench.listen(PointCloud2, "obstacles")
    later = bench.listen(TrackedObjectArray, "objects/predicted")
    tf = bench.talk(TFMessage, "/tf")
    detections = bench.talk(Detection3DArray, "detections_3d")
    num = 10
    for i in range(num):
        # the vehicle drives 1 m/s towards a standing object
        stamp_ns = START_NS + i * PERIOD_NS
        tf.publish(conversions.transforms_msg([ego(0.1 * i)], stamp_ns=stamp_ns))
        detections.publish(conversions.boxes3d_msg(boxes(stamp_ns, (10 - 0.1 * i, 2.0, 0.0))))
        bench.until(lambda i=i: len(lists) == i + 1, f"list {i}")
    assert [messages.stamp_ns(one.header) for one in lists] == [
        START_NS + i * PERIOD_NS for i in range(num)
    ]
    last = messages.objects_from_msg(lists[-1])
    assert last.frame_id == "odom"
    assert last.boxes.labels == ("car",)
    np.testing.assert_allclose(last.boxes.center_m, [[10, 2, 0]], atol=0.05)
    assert np.linalg.norm(last.velocity_mps) < 0.1
    bench.until(lambda: len(vision) == num and len(obstacles) == num, "the other forms")
    assert vision[-1].detections[0].id == str(last.ids[0])
    bench.until(lambda: len(later) == 3 * num, "where it will be")
    ahead = messages.objects_from_msg(later[-1])
    assert ahead.stamp_ns == last.stamp_ns + 2_000_000_000
    assert ahead.ids == last.ids
    moved_m = ahead.boxes.center_m - last.boxes.center_m
    np.testing.assert_allclose(moved_m, 2.0 * last.velocity_mps, atol=0.02)
    assert ahead.boxes.covariance[0, 0, 0] > last.boxes.covariance[0, 0, 0]
    walls = messages.cloud_from_msg(obstacles[-1]).xyz_m - [10, 2, 0]
    assert (np.abs(walls) <= np.array([2.1, 1.0, 0.85])).all()


def test_tracker_goes_on_with_a_camera_where_boxes_stop(bench: Bench) -> None:
    sources = {"image_topics": ["rear/detections"], "reorder_horizon_s": 0.5}
    bench.start(TrackerNode, **{f"tracker.{name}": value for name, value in sources.items()})
    lists = bench.listen(TrackedObjectArray, "objects")
    tf = bench.talk(TFMessage, "/tf")
    boxed = bench.talk(Detection3DArray, "detections_3d")
    infos = bench.talk(CameraInfo, "rear/camera_info")
    detections = bench.talk(Detection2DArray, "rear/detections")
    stamps_ns = [START_NS + i * PERIOD_NS for i in range(12)]
    infos.publish(conversions.camera_info_msg(CAMERA, stamp_ns=START_NS))
    for i, stamp_ns in enumerate(stamps_ns):
        optical = RigidTransform(
            target="odom",
            source=CAMERA.frame_id,
            rotation=np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]),
            translation_m=np.zeros(3),
        )
        tf.publish(conversions.transforms_msg([ego(0.0), optical], stamp_ns=stamp_ns))
        if i < 6:
            boxed.publish(conversions.boxes3d_msg(boxes(stamp_ns, (10.0, 0.0, 0.0))))
        else:
            # 4 m long, 1.8 m wide, 1.5 m high, its rear 8 m ahead
            half_px = 400.0 * np.array([0.9, 0.75]) / 8.0
            middle_px = CAMERA.k[:2, 2]
            image = Detections2D(
                frame_id=CAMERA.frame_id,
                stamp_ns=stamp_ns,
                xyxy_px=np.concatenate([middle_px - half_px, middle_px + half_px])[None],
                score=np.array([0.9]),
                labels=("car",),
            )
            detections.publish(conversions.detections2d_msg(image))
        bench.until(lambda i=i: len(lists) == i + 1, f"list {i}")
    assert [messages.stamp_ns(one.header) for one in lists] == stamps_ns
    before, last = (messages.objects_from_msg(lists[k]) for k in (5, -1))
    assert last.ids == before.ids
    assert last.boxes.sensors == (("camera",),)
    np.testing.assert_allclose(last.boxes.center_m, [[10, 0, 0]], atol=0.2)


def test_missing_transform_costs_the_frame_and_says_so(bench: Bench) -> None:
    node = bench.start(TrackerNode, tracker__transform_timeout_s=0.05)
    lists = bench.listen(TrackedObjectArray, "objects")
    detections = bench.talk(Detection3DArray, "detections_3d")
    detections.publish(conversions.boxes3d_msg(boxes(START_NS, (10, 2, 0))))
    bench.until(lambda: count(node, "tracker", Reason.NO_TRANSFORM) == 1, "the reason")
    assert lists == []
    tf = bench.talk(TFMessage, "/tf")
    stamp_ns = START_NS + PERIOD_NS
    tf.publish(conversions.transforms_msg([ego(0)], stamp_ns=stamp_ns))
    detections.publish(conversions.boxes3d_msg(boxes(stamp_ns, (10, 2, 0))))
    bench.until(lambda: len(lists) == 1, "the next frame's list")


def test_late_transform_is_waited_for(bench: Bench) -> None:
    node = bench.start(TrackerNode, tracker__transform_timeout_s=5.0)
    lists = bench.listen(TrackedObjectArray, "objects")
    tf = bench.talk(TFMessage, "/tf")
    detections = bench.talk(Detection3DArray, "detections_3d")
    tf.publish(conversions.transforms_msg([ego(0)], stamp_ns=START_NS - PERIOD_NS))
    detections.publish(conversions.boxes3d_msg(boxes(START_NS, (10, 2, 0))))
    bench.until(lambda: node.waiting == 1, "the frame to wait")
    tf.publish(conversions.transforms_msg([ego(1)], stamp_ns=START_NS + PERIOD_NS))
    bench.until(lambda: len(lists) == 1, "the list")
    assert count(node, "tracker", Reason.NO_TRANSFORM) == 0


def test_markers_of_what_is_gone_are_deleted(bench: Bench) -> None:
    bench.start(TrackerNode)
    arrays = bench.listen(MarkerArray, "markers")
    tf = bench.talk(TFMessage, "/tf")
    detections = bench.talk(Detection3DArray, "detections_3d")

    def frame(i: int, frame_boxes: Boxes3D) -> None:
        tf.publish(conversions.transforms_msg([ego(0)], stamp_ns=frame_boxes.stamp_ns))
        detections.publish(conversions.boxes3d_msg(frame_boxes))
        bench.until(lambda: len(arrays) == i + 1, f"markers of frame {i}")

    for i in range(10):
        frame(i, boxes(START_NS + i * PERIOD_NS, (10, 2, 0)))
    shown = {(one.ns, one.id) for one in arrays[-1].markers if one.action == Marker.ADD}
    assert len(shown) == 2
    # stamps jump back as when a recording loops: the old object is gone at once
    back_ns = START_NS - 10 * 10**9
    frame(10, Boxes3D.empty(frame_id="lidar", stamp_ns=back_ns))
    deleted = {(one.ns, one.id) for one in arrays[-1].markers if one.action == Marker.DELETE}
    assert deleted == shown


CAMERA = CameraModel.pinhole(
    frame_id="camera_optical",
    width_px=640,
    height_px=480,
    k=np.array([[400.0, 0, 320], [0, 400, 240], [0, 0, 1]]),
)
CAMERA_FROM_LIDAR = RigidTransform(
    target="camera_optical",
    source="lidar",
    rotation=np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]),
    translation_m=np.zeros(3),
)


def seen_car(stamp_ns: int) -> Detections2D:
    return Detections2D(
        frame_id="camera_optical",
        stamp_ns=stamp_ns,
        xyxy_px=np.array([[180.0, 200, 310, 280]]),
        score=np.array([0.9]),
        labels=("car",),
    )


def test_fusion_joins_camera_and_lidar(bench: Bench) -> None:
    node = bench.start(FusionNode)
    fused = bench.listen(Detection3DArray, "detections_3d")
    static = bench.talk(TFMessage, "/tf_static", latched=True)
    static.publish(conversions.transforms_msg([CAMERA_FROM_LIDAR], stamp_ns=0))
    info = bench.talk(type(conversions.camera_info_msg(CAMERA, stamp_ns=0)), "camera_info")
    info.publish(conversions.camera_info_msg(CAMERA, stamp_ns=START_NS))
    clusters = bench.talk(Detection3DArray, "clusters")
    detections = bench.talk(Detection2DArray, "detections")
    # topics arrive in any order: the first frames may come before the calibration
    for i in range(20):
        stamp_ns = START_NS + i * PERIOD_NS
        clusters.publish(conversions.boxes3d_msg(boxes(stamp_ns, (10, 2, 0))))
        detections.publish(conversions.detections2d_msg(seen_car(stamp_ns)))
        bench.until(lambda i=i: len(fused) == i + 1, f"fused list {i}")
        back = messages.boxes3d_from_msg(fused[i])
        assert back.stamp_ns == stamp_ns
        if back.sensors == (("camera", "lidar"),):
            break
    assert back.sensors == (("camera", "lidar"),), {
        reason.value: node.journals["fusion"].last(reason).detail
        for reason in node.journals["fusion"].counts
    }
    assert back.labels == ("car",)
    assert back.score[0] > 0.9


def test_fusion_goes_on_when_the_camera_stops(bench: Bench) -> None:
    node = bench.start(FusionNode, fusion__timeout_s=0.1)
    fused = bench.listen(Detection3DArray, "detections_3d")
    clusters = bench.talk(Detection3DArray, "clusters")
    bench.talk(Detection2DArray, "detections")
    clusters.publish(conversions.boxes3d_msg(boxes(START_NS, (10, 2, 0))))
    bench.until(lambda: bool(fused), "a list without the camera")
    assert messages.boxes3d_from_msg(fused[0]).sensors == (("lidar",),)
    bench.until(lambda: count(node, "fusion", Reason.SYNC_TIMEOUT) == 1, "the reason")


def test_one_process_waits_for_a_camera_that_has_just_come(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # looking around now and then is too late for the first cloud
    monkeypatch.setattr(perception_node, "_EXPIRE_PERIOD_S", 60.0)
    node = bench.start(PerceptionNode, fusion__timeout_s=10.0)
    lists = bench.listen(TrackedObjectArray, "objects")
    tf = bench.talk(TFMessage, "/tf")
    tf.publish(conversions.transforms_msg([ego(0)], stamp_ns=START_NS))
    points = bench.talk(PointCloud2, "points")
    detections = bench.talk(Detection2DArray, "detections")
    points.publish(cloud(START_NS))
    detections.publish(conversions.detections2d_msg(seen_car(START_NS)))
    bench.until(lambda: bool(lists), "the list")
    # of a camera that is waited for it is said that it cannot be used
    assert count(node, "fusion", Reason.NO_CALIBRATION) == 1


def test_one_process_gives_the_list_from_a_cloud(bench: Bench) -> None:
    node = bench.start(PerceptionNode)
    lists = bench.listen(TrackedObjectArray, "objects")
    tf = bench.talk(TFMessage, "/tf")
    points = bench.talk(PointCloud2, "points")
    for i in range(10):
        stamp_ns = START_NS + i * PERIOD_NS
        tf.publish(conversions.transforms_msg([ego(0)], stamp_ns=stamp_ns))
        points.publish(cloud(stamp_ns))
        bench.until(lambda i=i: len(lists) == i + 1, f"list {i}")
    last = messages.objects_from_msg(lists[-1])
    nearest = np.linalg.norm(last.boxes.center_m[:, :2] - [10, 2], axis=1).min()
    assert nearest < 0.3
    assert set(node.journals) == {
        "lidar_detector",
        "depth_detector",
        "detector",
        "fusion",
        "tracker",
        "pose_estimator",
    }
