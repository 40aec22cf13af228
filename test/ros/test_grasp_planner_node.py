"""Node ``grasp_planner`` over DDS: the grasps of the offline stage, on the true objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")

from perception_stack.msg import GraspArray
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger
from visualization_msgs.msg import Marker, MarkerArray

from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.boxes import points_inside, transform_boxes
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.io import messages
from perception_stack.journal import Journal
from perception_stack.pipeline.grasp_stage import GraspStage
from perception_stack.ros import conversions
from perception_stack.ros.nodes.grasp_planner_node import GraspPlannerNode
from perception_stack.simulation.table import TableConfig, table_scene

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros

SCENE = table_scene(TableConfig(seed=300))
FRAME = SCENE.frame(0)


def send(bench: Bench, grasps: list[Any]) -> None:
    """Calibration and depth image, until grasps of it come: the first messages may get lost."""
    info = bench.talk(CameraInfo, "depth_camera_info")
    images = bench.talk(Image, "depth")
    info.publish(conversions.camera_info_msg(FRAME.camera, stamp_ns=FRAME.stamp_ns))
    depth = messages.depth_to_msg(FRAME.depth, build=conversions.build)
    images.publish(depth)
    bench.until(lambda: grasps, "grasps")


def test_grasps_are_those_of_the_stage_and_on_the_true_objects(bench: Bench) -> None:
    node = bench.start(GraspPlannerNode)
    received = bench.listen(GraspArray, "grasps")
    shown = bench.listen(MarkerArray, "grasp_markers")
    send(bench, received)
    bench.until(lambda: shown, "markers")
    found = messages.grasps_from_msg(received[0])
    assert (found.stamp_ns, found.frame_id) == (FRAME.stamp_ns, FRAME.camera.frame_id)

    stage = GraspStage(
        GraspPlannerConfig(),
        DepthDetectorConfig(),
        FusionConfig(),
        known={},
        frames=FrameTree(),
        journal=Journal(),
    )
    stage.set_camera(FRAME.camera)
    (expected,) = stage.push_depth(FRAME.depth, arrival_ns=0)
    for field in ("position_m", "quat_xyzw", "opening_m", "width_m", "score", "object_idx"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
    assert found.objects.reasons == expected.objects.reasons
    assert node.journals["grasp_planner"].counts

    (world_from_base,) = SCENE.static_transforms
    (base_from_camera,) = FRAME.transforms
    truth = transform_boxes(FRAME.truth, (world_from_base @ base_from_camera).inverse())
    # the middle between the pads is within an object
    approach = found.position_m - 0.01 * np.array(
        [matrix[:, 0] for matrix in rotations(found.quat_xyzw)]
    )
    assert points_inside(approach, truth, margin_m=0.01).any(axis=0).all()

    boxes = [one for one in shown[0].markers if one.ns == "grasps"]
    assert len(boxes) == 3 * len(found)
    assert shown[0].markers[0].action == Marker.DELETEALL


def rotations(quat_xyzw: np.ndarray) -> np.ndarray:
    from perception_stack.geometry.transforms import matrix_from_quat

    return matrix_from_quat(quat_xyzw)


def test_on_request_only_when_asked(bench: Bench) -> None:
    bench.start(GraspPlannerNode, grasp_planner__on_request=True)
    received = bench.listen(GraspArray, "grasps")
    client = bench.peer.create_client(Trigger, "plan_grasps")
    bench.until(client.service_is_ready, "the service")

    def ask() -> Trigger.Response:
        future = client.call_async(Trigger.Request())
        bench.until(future.done, "an answer")
        return future.result()

    assert "no depth image" in ask().message
    info = bench.talk(CameraInfo, "depth_camera_info")
    images = bench.talk(Image, "depth")
    for _ in range(20):
        info.publish(conversions.camera_info_msg(FRAME.camera, stamp_ns=FRAME.stamp_ns))
        images.publish(messages.depth_to_msg(FRAME.depth, build=conversions.build))
        for _ in range(5):
            bench.executor.spin_once(timeout_sec=0.02)
        assert not received
        answer = ask()
        if answer.success:
            break
    assert str(FRAME.stamp_ns) in answer.message
    bench.until(lambda: received, "grasps")
    assert len(received) == 1


def test_impossible_gripper_ends_with_what_to_change(bench: Bench) -> None:
    from perception_stack.errors import ConfigError

    with pytest.raises(ConfigError, match="pad_length_m must not exceed finger_length_m"):
        bench.start(GraspPlannerNode, grasp_planner__finger_length_m=0.01)
