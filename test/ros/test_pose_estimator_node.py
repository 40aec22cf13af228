"""The pose estimator over real DDS: the poses it sends, when it sends them, and for what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")
pytest.importorskip("trimesh")

from perception_stack.srv import EstimatePoses
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray, Detection3DArray

from perception_stack.datatypes import Detections2D, PointCloud
from perception_stack.io import messages
from perception_stack.ros import conversions
from perception_stack.ros.nodes.pose_estimator_node import PoseEstimatorNode
from perception_stack.simulation.mesh import write_ply
from perception_stack.simulation.table import TableConfig, table_scene
from perception_stack.simulation.table_objects import known_objects

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros

NAMES = ("bracket", "can")


@pytest.fixture
def meshes(tmp_path: Path) -> str:
    for one in known_objects():
        if one.name in NAMES:
            write_ply(one.mesh, tmp_path / f"{one.name}.ply")
    return str(tmp_path)


@pytest.fixture(scope="module")
def view() -> Any:
    scene = table_scene(TableConfig(seed=0))
    frame = scene.frame(1)
    return frame, scene.camera_from_truth(frame)


def show(bench: Bench, frame: Any) -> None:
    """The camera and one depth image; both are sent best effort, so until they arrive."""
    info = bench.talk(CameraInfo, "camera_info")
    depth = bench.talk(Image, "depth")
    info.publish(
        messages.camera_to_msg(frame.camera, stamp_ns=frame.stamp_ns, build=conversions.build)
    )
    depth.publish(messages.depth_to_msg(frame.depth, build=conversions.build))


def middle_of(view: Any, name: str) -> np.ndarray:
    frame, camera_from_truth = view
    return camera_from_truth.apply(frame.truth.center_m[frame.truth.labels.index(name)])


def test_objects_are_found_when_somebody_asks(bench: Bench, meshes: str, view: Any) -> None:
    node = bench.start(
        PoseEstimatorNode,
        pose_estimator__mesh_dir=meshes,
        pose_estimator__where="request",
        pose_estimator__publish_tf=True,
    )
    poses = bench.listen(Detection3DArray, "object_poses")
    others = bench.listen(Detection3DArray, "object_pose_alternatives")
    transforms = bench.listen(TFMessage, "/tf")
    client = bench.peer.create_client(Trigger, "find_objects")
    bench.until(client.service_is_ready, "the service")

    early = client.call_async(Trigger.Request())
    bench.until(early.done, "an answer")
    assert not early.result().success
    assert "before a depth image" in early.result().message

    show(bench, view[0])
    bench.until(lambda: node._stage._depth is not None, "the depth image to arrive")
    answer = client.call_async(Trigger.Request())
    bench.until(lambda: answer.done() and poses and others and transforms, "poses")
    assert answer.result().success
    found = messages.boxes3d_from_msg(poses[0])
    assert found.stamp_ns == view[0].stamp_ns
    assert set(found.labels) == set(NAMES)
    row = found.labels.index("bracket")
    np.testing.assert_allclose(found.center_m[row], middle_of(view, "bracket"), atol=0.005)
    assert {one.child_frame_id for one in transforms[0].transforms} >= {"bracket_0", "can_0"}
    listed = messages.boxes3d_from_msg(others[0])
    can = str(found.labels.index("can"))
    assert sum(one == (can,) for one in listed.sensors) > 10


def test_service_answers_at_boxes_masks_and_clusters(bench: Bench, meshes: str, view: Any) -> None:
    node = bench.start(
        PoseEstimatorNode, pose_estimator__mesh_dir=meshes, pose_estimator__where="request"
    )
    transforms = bench.listen(TFMessage, "/tf")
    client = bench.peer.create_client(EstimatePoses, "estimate_poses")
    bench.until(client.service_is_ready, "the service")

    def answer_to(**fields: Any) -> Any:
        waiting = client.call_async(EstimatePoses.Request(**fields))
        bench.until(waiting.done, "an answer")
        return waiting.result()

    assert "before a depth image" in answer_to().message
    frame = view[0]
    show(bench, frame)
    bench.until(lambda: node._stage._depth is not None, "the depth image to arrive")
    row = frame.truth.labels.index("can")
    region = Detections2D(
        frame_id=frame.camera.frame_id,
        stamp_ns=frame.stamp_ns,
        xyxy_px=frame.visibility.xyxy_px[[row]],
        score=np.ones(1),
        labels=("",),
    )
    seen = frame.pixel_ids == frame.track_ids[row]
    mask = messages.mask_to_msg(
        seen.astype(np.uint16),
        frame_id=region.frame_id,
        stamp_ns=region.stamp_ns,
        build=conversions.build,
    )
    regions = messages.detections2d_to_msg(region, build=conversions.build)
    answer = answer_to(regions=regions, mask=mask, send_tf=True)
    assert answer.success, answer.message
    found = messages.boxes3d_from_msg(answer.poses)
    assert found.labels == ("can",)
    assert found.stamp_ns == frame.stamp_ns
    np.testing.assert_allclose(found.center_m[0], middle_of(view, "can"), atol=0.01)
    assert len(answer.alternatives.detections) > 10
    bench.until(lambda: transforms, "the frame of the can")
    assert [one.child_frame_id for one in transforms[0].transforms] == ["can_0"]

    rows, cols = np.nonzero(seen)
    rays = np.column_stack([cols, rows, np.ones(len(rows))]) @ np.linalg.inv(frame.camera.k).T
    points = PointCloud(
        frame_id=region.frame_id,
        stamp_ns=region.stamp_ns,
        xyz_m=(rays * frame.depth.depth_m[rows, cols, None]).astype(np.float32)[::20],
    )
    answer = answer_to(cluster=conversions.cloud_msg(points), objects=["can"])
    found = messages.boxes3d_from_msg(answer.poses)
    np.testing.assert_allclose(found.center_m[0], middle_of(view, "can"), atol=0.01)

    small = messages.mask_to_msg(
        np.zeros((2, 2), np.uint16), frame_id="c", stamp_ns=0, build=conversions.build
    )
    for fields, why in (
        ({"objects": ["spoon"]}, "no mesh of spoon"),
        ({"regions": regions, "mask": small}, "mask must be"),
        ({"mask": mask}, "without regions"),
    ):
        refused = answer_to(**fields)
        assert not refused.success
        assert why in refused.message


def test_objects_looked_for_are_switched_and_regions_asked(
    bench: Bench, meshes: str, view: Any
) -> None:
    node = bench.start(
        PoseEstimatorNode, pose_estimator__mesh_dir=meshes, pose_estimator__where="request"
    )
    poses = bench.listen(Detection3DArray, "object_poses")
    look_for = bench.talk(String, "look_for")
    regions = bench.talk(Detection2DArray, "regions")
    look_for.publish(String(data="spoon"))
    look_for.publish(String(data="can, "))
    bench.until(lambda: len(node._stage._estimator.models) == 1, "the choice to arrive")
    assert node.journals["pose_estimator"].counts  # the spoon is counted, nothing else happens

    frame = view[0]
    show(bench, frame)
    bench.until(lambda: node._stage._depth is not None, "the depth image to arrive")
    rows = [frame.truth.labels.index(name) for name in NAMES]
    asked = Detections2D(
        frame_id=frame.camera.frame_id,
        stamp_ns=frame.stamp_ns,
        xyxy_px=frame.visibility.xyxy_px[rows],
        score=np.ones(2),
        labels=NAMES,
    )
    regions.publish(messages.detections2d_to_msg(asked, build=conversions.build))
    bench.until(lambda: poses, "poses")
    found = messages.boxes3d_from_msg(poses[0])
    assert found.labels == ("can",)
    np.testing.assert_allclose(found.center_m[0], middle_of(view, "can"), atol=0.01)


def test_objects_found_once_are_followed_by_a_moving_camera(bench: Bench, meshes: str) -> None:
    """Asked for once; each further depth image gives the pose, without detections."""
    node = bench.start(
        PoseEstimatorNode,
        pose_estimator__mesh_dir=meshes,
        pose_estimator__where="request",
        pose_tracker__follow=True,
    )
    poses = bench.listen(Detection3DArray, "object_poses")
    transforms = bench.talk(TFMessage, "/tf")
    client = bench.peer.create_client(Trigger, "find_objects")
    bench.until(client.service_is_ready, "the service")
    scene = table_scene(TableConfig(seed=0))
    frames = [scene.frame(one) for one in (1, 4, 7)]
    for frame in frames:
        given = [*scene.static_transforms, *frame.transforms]
        transforms.publish(
            messages.transforms_to_msg(given, stamp_ns=frame.stamp_ns, build=conversions.build)
        )
        show(bench, frame)
        bench.until(
            lambda frame=frame: (
                node._stage._depth is not None and node._stage._depth.stamp_ns == frame.stamp_ns
            ),
            "the depth image to arrive",
        )
        if frame is frames[0]:
            answer = client.call_async(Trigger.Request())
            bench.until(answer.done, "an answer")
        bench.until(
            lambda frame=frame: (
                bool(poses) and messages.boxes3d_from_msg(poses[-1]).stamp_ns == frame.stamp_ns
            ),
            "poses of the frame",
        )
        found = messages.boxes3d_from_msg(poses[-1])
        expected = middle_of((frame, scene.camera_from_truth(frame)), "bracket")
        row = found.labels.index("bracket")
        np.testing.assert_allclose(found.center_m[row], expected, atol=0.005)
    assert len(poses) == len(frames)
