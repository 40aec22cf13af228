"""The chain as other packages test it: included in a launch description, under launch_pytest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import launch_pytest
import numpy as np
import pytest
from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription, RegisterEventHandler, SetEnvironmentVariable
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch_xml.launch_description_sources import XMLLaunchDescriptionSource
from perception_stack.msg import TrackedObjectArray
from sensor_msgs.msg import CameraInfo, PointCloud2
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray

from launch import LaunchDescription
from perception_stack.datatypes import TrackedObjects
from perception_stack.io import messages
from perception_stack.ros import conversions
from perception_stack.simulation.scene import Scene, SimulatedFrame

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros

Ends = list[tuple[str, int]]


def included(source: type, bench: Bench, **arguments: str) -> tuple[LaunchDescription, Ends]:
    """The package's launch file inside another launch description, and how its processes end."""
    share = Path(get_package_share_directory("perception_stack"))
    launch_file = source(str(share / "launch" / "perception.launch.xml"))
    ends: Ends = []

    def note(event: Any, _context: Any) -> None:
        ends.append((event.process_name.partition("-")[0], event.returncode))

    description = LaunchDescription(
        [
            SetEnvironmentVariable("ROS_DOMAIN_ID", str(bench.domain_id)),
            RegisterEventHandler(OnProcessExit(on_exit=note)),
            IncludeLaunchDescription(launch_file, launch_arguments=arguments.items()),
            launch_pytest.actions.ReadyToTest(),
        ]
    )
    return description, ends


@launch_pytest.fixture
def nodes(bench: Bench) -> tuple[LaunchDescription, Ends]:
    return included(AnyLaunchDescriptionSource, bench, detector="false", namespace="robot")


@launch_pytest.fixture
def one_process(bench: Bench) -> tuple[LaunchDescription, Ends]:
    return included(XMLLaunchDescriptionSource, bench, one_process="true")


class Vehicle:
    """Publishes a simulated drive frame by frame and keeps the lists that come back."""

    def __init__(self, bench: Bench, scene: Scene, *, namespace: str = "") -> None:
        self._bench = bench
        self._scene = scene
        self._lists = bench.hear(TrackedObjectArray, f"{namespace}/objects")
        static = bench.talk(TFMessage, "/tf_static", latched=True)
        static.publish(conversions.transforms_msg(scene.static_transforms, stamp_ns=0))
        self._tf = bench.talk(TFMessage, "/tf")
        self._infos = bench.talk(CameraInfo, f"{namespace}/camera_info")
        self._detections = bench.talk(Detection2DArray, f"{namespace}/detections")
        self._points = bench.talk(PointCloud2, f"{namespace}/points")
        tracked = f"{namespace}/objects"
        bench.until(lambda: bench.peer.count_publishers(tracked) == 1, f"who sends {tracked}")

    def drive(self) -> tuple[SimulatedFrame, TrackedObjects]:
        """To the end of the scene; returns its last frame with its list."""
        for i, frame in enumerate(self._scene.frames()):
            stamp_ns = frame.stamp_ns
            self._tf.publish(conversions.transforms_msg(frame.transforms, stamp_ns=stamp_ns))
            self._infos.publish(conversions.camera_info_msg(frame.camera, stamp_ns=stamp_ns))
            self._detections.publish(conversions.detections2d_msg(frame.detections_2d))
            self._points.publish(conversions.cloud_msg(frame.cloud))
            self._bench.until(lambda i=i: len(self._lists) > i, f"list {i}")
            assert messages.stamp_ns(self._lists[i].header) == stamp_ns
        return frame, messages.objects_from_msg(self._lists[-1])


def check(frame: SimulatedFrame, objects: TrackedObjects) -> None:
    """What is near and in plain sight is listed where it is."""
    assert objects.frame_id == frame.truth.frame_id == "odom"
    ego_xy_m = frame.transforms[0].translation_m[:2]
    true_xy_m = frame.truth.center_m[frame.visibility.countable, :2]
    true_xy_m = true_xy_m[np.linalg.norm(true_xy_m - ego_xy_m, axis=1) < 20]
    gaps_m = np.linalg.norm(true_xy_m[:, None] - objects.boxes.center_m[None, :, :2], axis=2)
    assert len(true_xy_m) > 5
    assert np.mean(gaps_m.min(axis=1) < 0.5) > 0.75
    assert ("camera", "lidar") in objects.boxes.sensors


@pytest.mark.launch(fixture=nodes)
def test_nodes_track_what_is_there(
    nodes: tuple[LaunchDescription, Ends], bench: Bench, road: Scene
) -> Iterator[None]:
    check(*Vehicle(bench, road, namespace="/robot").drive())
    yield
    names = ("depth_detector", "fusion", "lidar_detector", "tracker")
    assert sorted(nodes[1]) == [(name, 0) for name in names]


@pytest.mark.launch(fixture=one_process)
def test_one_process_tracks_what_is_there(
    one_process: tuple[LaunchDescription, Ends], bench: Bench, road: Scene
) -> Iterator[None]:
    check(*Vehicle(bench, road).drive())
    yield
    assert one_process[1] == [("perception", 0)]


@pytest.mark.launch(fixture=one_process, shutdown=True)
def test_shutdown_right_after_the_start_is_clean(
    one_process: tuple[LaunchDescription, Ends],
) -> None:
    """Interrupted while it still imports, a node may die of it, but by no error of its own."""
    ((name, code),) = one_process[1]
    assert name == "perception"
    assert code in (0, -2)
