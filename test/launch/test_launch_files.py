"""The launch files through ``ros2 launch``: who comes up, under which names, and how all ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io import messages
from perception_stack.io.bags import BagReader
from perception_stack.io.calibration_files import Extrinsic, write_camera_info, write_extrinsics

if TYPE_CHECKING:
    from conftest import Bench, Launched

pytestmark = pytest.mark.ros

Launch = Callable[..., "Launched"]

# not in a namespace, by convention (REP 105, REP 107) or by rcl
GLOBAL_TOPICS = {"/tf", "/tf_static", "/diagnostics", "/rosout", "/parameter_events", "/clock"}


def names(bench: Bench) -> set[str]:
    """Full names of all nodes but our own."""
    found = bench.peer.get_node_names_and_namespaces()
    return {f"{space.rstrip('/')}/{name}" for name, space in found if name != "peer"}


def topics_of(bench: Bench, full_names: set[str]) -> set[str]:
    """What these nodes publish and subscribe to."""
    found: set[str] = set()
    for full_name in full_names:
        space, _, name = full_name.rpartition("/")
        for ask in (
            bench.peer.get_publisher_names_and_types_by_node,
            bench.peer.get_subscriber_names_and_types_by_node,
        ):
            found |= {topic for topic, _types in ask(name, space or "/")}
    return found


def wait_for(bench: Bench, launched: Launched, expected: set[str], topics: set[str]) -> None:
    """Until exactly these nodes are up, have these topics, and spin."""
    from diagnostic_msgs.msg import DiagnosticArray

    arrays = bench.hear(DiagnosticArray, "/diagnostics")

    def up() -> bool:
        spinning = {status.name.split(":")[0] for array in arrays for status in array.status}
        return (
            names(bench) == expected
            and topics <= topics_of(bench, expected)
            and spinning == {name.rpartition("/")[2] for name in expected}
        )

    bench.until(up, f"{expected} with {topics}", failed=lambda: launched.ended)


def params_file(path: Path, node: str, text: str) -> Path:
    path.write_text(f"{node}:\n  ros__parameters:\n    {text}\n")
    return path


@pytest.mark.parametrize(
    ("arguments", "nodes", "topics"),
    [
        pytest.param(
            {"namespace": "robot"},
            {
                "/robot/lidar_detector",
                "/robot/depth_detector",
                "/robot/detector",
                "/robot/fusion",
                "/robot/tracker",
            },
            {"/robot/points", "/robot/image", "/robot/camera_info", "/robot/objects"},
            id="navigation-in-a-namespace",
        ),
        pytest.param(
            {"mode": "grasping", "depth": "/rgbd/depth", "image": "rgbd/image"},
            {
                "/depth_detector",
                "/detector",
                "/fusion",
                "/tracker",
                "/pose_estimator",
                "/grasp_planner",
            },
            {"/rgbd/depth", "/rgbd/image", "/camera_info", "/objects"},
            id="grasping-with-other-topics",
        ),
        pytest.param(
            {"one_process": "true", "namespace": "/a/b", "points": "/velodyne_points"},
            {"/a/b/perception"},
            {"/velodyne_points", "/a/b/camera_info", "/a/b/depth", "/a/b/objects"},
            id="one-process",
        ),
    ],
)
def test_nodes_come_up_and_end_cleanly(
    bench: Bench, launch: Launch, arguments: dict[str, str], nodes: set[str], topics: set[str]
) -> None:
    launched = launch("perception.launch.xml", **arguments)
    wait_for(bench, launched, nodes, topics)
    space = f"/{arguments.get('namespace', '').strip('/')}".rstrip("/") + "/"
    own = topics_of(bench, nodes) - GLOBAL_TOPICS - topics
    assert {topic for topic in own if not topic.startswith(space)} == set()
    assert launched.interrupt() == 0, launched.text
    assert len(launched.lines_with("process has finished cleanly")) == len(nodes), launched.text
    assert "Traceback" not in launched.text


def test_nodes_that_are_told_twice_end_cleanly(bench: Bench, launch: Launch) -> None:
    """By the terminal and by launch."""
    launched = launch("perception.launch.xml", one_process="true")
    wait_for(bench, launched, {"/perception"}, {"/objects"})
    assert launched.interrupt(everyone=True) == 0
    assert launched.lines_with("process has finished cleanly"), launched.text
    assert "Traceback" not in launched.text


@pytest.mark.parametrize(
    ("arguments", "winner"),
    [
        pytest.param({"model": "/argument.yaml"}, "/argument.yaml", id="argument-wins"),
        # the launch file's own default is an empty text
        pytest.param({}, "/file.yaml", id="empty-argument-keeps-the-file's"),
    ],
)
def test_default_is_weaker_than_file_is_weaker_than_argument(
    launch: Launch, tmp_path: Path, arguments: dict[str, str], winner: str
) -> None:
    """Neither model exists: the complaint says which one was asked for."""
    path = params_file(tmp_path / "p.yaml", "/**", "detector: {model: /file.yaml}")
    launched = launch("perception.launch.xml", one_process="true", params_file=path, **arguments)
    assert launched.wait() == 0
    (complaint,) = launched.lines_with("error: ")
    assert f"cannot use model '{winner}'" in complaint
    assert "Traceback" not in launched.text
    assert "exit code 2" in launched.text


def test_a_node_with_bad_parameters_ends_alone_and_says_why(
    bench: Bench, launch: Launch, tmp_path: Path
) -> None:
    path = params_file(tmp_path / "p.yaml", "/fusion", "fusion: {toleranse_s: 0.1}")
    launched = launch("perception.launch.xml", params_file=path, detector="false")
    bench.until(
        lambda: launched.lines_with("process has died"),
        "the end of fusion",
        failed=lambda: launched.ended,
    )
    (complaint,) = launched.lines_with("error: ")
    assert complaint.startswith("[fusion-")
    expected = "unknown parameter 'toleranse_s' in fusion: fusion; did you mean 'tolerance_s'?"
    assert complaint.endswith(f"error: {expected}")
    left = {"/lidar_detector", "/depth_detector", "/tracker"}
    wait_for(bench, launched, left, {"/points", "/objects"})
    assert launched.interrupt() == 0
    assert len(launched.lines_with("process has finished cleanly")) == len(left), launched.text


def test_a_file_that_is_no_parameter_file_is_one_line(launch: Launch, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("/**:\n  ros__parameters:\n    a: &one 1\n    b: *one\n")
    launched = launch("perception.launch.xml", one_process="true", params_file=path)
    assert launched.wait() == 0
    (complaint,) = launched.lines_with("error: ")
    assert "Will not support aliasing at line" in complaint
    assert "Traceback" not in launched.text


def test_calibration_is_there_for_those_who_come_late(
    bench: Bench, launch: Launch, tmp_path: Path
) -> None:
    from sensor_msgs.msg import CameraInfo
    from tf2_msgs.msg import TFMessage

    camera = CameraModel.pinhole(
        frame_id="camera_optical",
        width_px=640,
        height_px=480,
        k=np.array([[400.5, 0, 320], [0, 400.25, 240], [0, 0, 1]]),
    )
    base_from_camera = RigidTransform(
        target="base_link",
        source="camera_optical",
        rotation=np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]),
        translation_m=np.array([0.27, 0.06, -0.08]),
    )
    write_camera_info(tmp_path / "camera.yaml", camera, camera_name="camera")
    write_extrinsics(
        tmp_path / "rig.yaml",
        [Extrinsic(parent_from_child=base_from_camera, method="known", provenance="test")],
    )
    # said again once a minute: what comes sooner was kept
    text = (
        f"calibration: {{camera_info_files: [{tmp_path / 'camera.yaml'}], "
        f"extrinsics_files: [{tmp_path / 'rig.yaml'}], publish_period_s: 60.0}}"
    )
    path = params_file(tmp_path / "p.yaml", "/**", text)
    launched = launch("calibration.launch.xml", params_file=path, namespace="robot")
    wait_for(bench, launched, {"/robot/calibration"}, {"/robot/camera_info", "/tf_static"})

    infos = bench.listen(CameraInfo, "/robot/camera_info", latched=True)
    statics = bench.listen(TFMessage, "/tf_static", latched=True)
    bench.until(lambda: infos and statics, "both", failed=lambda: launched.ended)
    received = messages.camera_from_msg(infos[0])
    np.testing.assert_array_equal(received.k, camera.k)
    assert (received.frame_id, received.width_px) == ("camera_optical", 640)
    ((transform, _stamp_ns),) = messages.transforms_from_msg(statics[0])
    assert (transform.target, transform.source) == ("base_link", "camera_optical")
    np.testing.assert_allclose(transform.matrix, base_from_camera.matrix, atol=1e-12)
    assert launched.interrupt() == 0


@pytest.mark.parametrize(
    ("scene", "arguments", "leading"),
    [
        pytest.param("road", {"one_process": "true"}, "/points", id="road"),
        pytest.param("table", {"mode": "grasping", "detector": "false"}, "/depth", id="table"),
    ],
)
def test_replay_gives_objects_at_the_stamps_of_the_recording(
    request: pytest.FixtureRequest,
    bench: Bench,
    launch: Launch,
    scene: str,
    arguments: dict[str, Any],
    leading: str,
) -> None:
    from perception_stack.msg import TrackedObjectArray

    bag: Path = request.getfixturevalue(f"{scene}_bag")
    reader = BagReader(bag)
    stamps_ns = [messages.stamp_ns(one.message.header) for one in reader.messages([leading])]
    lists = bench.hear(TrackedObjectArray, "/objects")
    launched = launch("replay.launch.xml", bag=bag, **arguments)
    # not all: sensor data is best effort, so under load a frame may be lost
    bench.until(
        lambda: any(one.objects for one in lists),
        "a list with objects",
        failed=lambda: launched.ended,
    )
    received_ns = [messages.stamp_ns(one.header) for one in lists]
    assert received_ns == sorted(set(received_ns))
    assert set(received_ns) <= set(stamps_ns)
    assert {one.header.frame_id for one in lists} == {"odom"}
    assert "nobody listens" not in launched.text
    bench.until(
        lambda: launched.lines_with("process has finished cleanly"),
        "the end of the player",
        failed=lambda: launched.ended,
    )
    assert launched.interrupt() == 0
    assert not launched.lines_with("process has died"), launched.text


def test_a_recording_that_is_not_there_is_one_line(
    bench: Bench, launch: Launch, tmp_path: Path
) -> None:
    launched = launch("replay.launch.xml", bag=tmp_path / "none", one_process="true")
    bench.until(
        lambda: launched.lines_with("process has died"),
        "the end of the player",
        failed=lambda: launched.ended,
    )
    (complaint,) = launched.lines_with("error: ")
    assert complaint.startswith("[player-")
    assert str(tmp_path / "none") in complaint
    assert "Traceback" not in launched.text
    assert launched.interrupt() == 0
