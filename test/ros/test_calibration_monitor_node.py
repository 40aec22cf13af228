"""Node ``calibration_monitor`` over real DDS: learns, stays calm, and names a bumped camera."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io import messages
from perception_stack.journal import Reason
from perception_stack.ros import conversions
from perception_stack.ros.nodes.calibration_monitor_node import CalibrationMonitorNode
from perception_stack.simulation.rig import Mount, RoadRig
from perception_stack.simulation.road import RoadConfig
from perception_stack.simulation.scene import BASE_FRAME, CAMERA_FRAME, LIDAR_FRAME, pinhole

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros

START_NS = 1_000_000_000_000
OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def mount(turn_deg: float) -> Mount:
    """The camera turned to the side."""
    turn = Rotation.from_rotvec([0, np.deg2rad(turn_deg), 0]).as_matrix()
    return Mount(
        base_from_camera=RigidTransform(
            target=BASE_FRAME,
            source=CAMERA_FRAME,
            rotation=OPTICAL @ turn,
            translation_m=np.array([0.27, 0.06, -0.08]),
        ),
        base_from_lidar=RigidTransform(
            target=BASE_FRAME, source=LIDAR_FRAME, rotation=np.eye(3), translation_m=np.zeros(3)
        ),
    )


def test_a_bumped_camera_is_told_on_diagnostics(bench: Bench) -> None:
    camera = pinhole(width_px=480, height_px=160, focal_px=278)
    rig = RoadRig(RoadConfig(seed=3, num_frames=150, num_azimuths=900), camera)
    node = bench.start(
        CalibrationMonitorNode,
        **{
            "calibration_monitor.learn_frames": 24,
            "calibration_monitor.period_s": 0.1,
            "calibration_monitor.false_alarm_hours": 0.2,
            "fusion.timeout_s": 10.0,
        },
    )
    journal = node.journals["calibration_monitor"]
    told = bench.hear(DiagnosticArray, "/diagnostics")
    believed = mount(0.0)
    transforms = [believed.base_from_camera, believed.base_from_lidar]
    static = bench.talk(TFMessage, "/tf_static", latched=True)
    static.publish(conversions.transforms_msg(transforms, stamp_ns=START_NS))
    info = bench.talk(CameraInfo, "camera_info")
    images, points = bench.talk(Image, "image"), bench.talk(PointCloud2, "points")
    info.publish(conversions.camera_info_msg(camera, stamp_ns=START_NS))
    bench.until(lambda: node._stage._camera is not None, "camera_info")

    def send(index: int, true: Mount) -> None:
        stamp_ns, time_s = START_NS + index * 200_000_000, 0.2 * index
        image = replace(rig.picture(time_s, true), stamp_ns=stamp_ns)
        images.publish(messages.image_to_msg(image, build=conversions.build))
        cloud = replace(rig.turn(time_s, true), stamp_ns=stamp_ns)
        points.publish(messages.cloud_to_msg(cloud, build=conversions.build))
        done = node.diagnostics._num_frames["calibration_monitor"]
        bench.until(
            lambda: node.diagnostics._num_frames["calibration_monitor"] > done, f"frame {index}"
        )

    def status() -> dict[str, DiagnosticStatus]:
        return {one.name: one for array in told for one in array.status}

    for i in range(28):
        send(i, believed)
    assert {one.watch: one.text for one in node._stage.findings} == {
        "camera-lidar": "as it was",
        "ground": "as it was",
    }
    for i in range(28, 42):
        send(i, mount(1.5))
    assert journal.counts == {Reason.SENSOR_MOVED: 1}
    assert "the camera" in journal.last(Reason.SENSOR_MOVED).detail
    watched = "calibration: camera-lidar"
    bench.until(
        lambda: watched in status() and status()[watched].level == DiagnosticStatus.ERROR,
        "an alarm",
    )
    found = status()
    assert "turn about y" in found["calibration: camera-lidar"].message
    assert found["calibration: ground"].level == DiagnosticStatus.OK
    assert messages.stamp_ns(told[-1].header) > 0


def test_a_turned_right_camera_is_told_by_the_pair_alone(bench: Bench) -> None:
    """Neither LiDAR nor ground: two images are enough for the watch of the pair."""
    camera = pinhole(width_px=480, height_px=160, focal_px=278)
    rig = RoadRig(RoadConfig(seed=3, num_frames=150, num_azimuths=900), camera)
    node = bench.start(
        CalibrationMonitorNode,
        **{
            "calibration_monitor.learn_frames": 24,
            "calibration_monitor.period_s": 0.1,
            "calibration_monitor.false_alarm_hours": 0.2,
            "calibration_monitor.stereo": True,
        },
    )
    left, right_frame = mount(0.0), "right_camera"

    def right(turn_deg: float) -> RigidTransform:
        aside = RigidTransform(
            target=CAMERA_FRAME,
            source=right_frame,
            rotation=Rotation.from_rotvec([np.deg2rad(turn_deg), 0, 0]).as_matrix(),
            translation_m=np.array([0.5, 0, 0]),
        )
        return left.base_from_camera @ aside

    static = bench.talk(TFMessage, "/tf_static", latched=True)
    believed = [left.base_from_camera, right(0.0)]
    static.publish(conversions.transforms_msg(believed, stamp_ns=START_NS))
    talkers = [
        (bench.talk(CameraInfo, f"{side}camera_info"), bench.talk(Image, f"{side}image"))
        for side in ("", "right_")
    ]
    for (info, _), frame in zip(talkers, (CAMERA_FRAME, right_frame), strict=True):
        own = replace(camera, frame_id=frame)
        info.publish(conversions.camera_info_msg(own, stamp_ns=START_NS))
    bench.until(lambda: node._stage._camera is not None, "camera_info")
    bench.until(lambda: node._stage._right_camera is not None, "right_camera_info")

    def send(index: int, turn_deg: float) -> None:
        true_right = replace(right(turn_deg), source=CAMERA_FRAME)
        for (_, images), place, frame in zip(
            talkers, (left.base_from_camera, true_right), (CAMERA_FRAME, right_frame), strict=True
        ):
            seen = rig.picture(
                0.2 * index, Mount(base_from_camera=place, base_from_lidar=left.base_from_lidar)
            )
            image = replace(seen, stamp_ns=START_NS + index * 200_000_000, frame_id=frame)
            images.publish(messages.image_to_msg(image, build=conversions.build))
        done = node.diagnostics._num_frames["calibration_monitor"]
        bench.until(
            lambda: node.diagnostics._num_frames["calibration_monitor"] > done, f"pair {index}"
        )

    def stereo() -> str:
        return {one.watch: one.text for one in node._stage.findings}["stereo"]

    for i in range(28):
        send(i, 0.0)
    assert stereo() == "as it was"
    for i in range(28, 42):
        send(i, 0.5)
    assert "one of the cameras" in stereo()
    told = re.search(r"turn about x: ([+-][0-9.]+) degrees", stereo())
    assert told is not None
    assert float(told[1]) == pytest.approx(0.5, abs=0.15)
    assert node.journals["calibration_monitor"].counts[Reason.SENSOR_MOVED] == 1
