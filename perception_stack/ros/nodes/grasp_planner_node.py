"""Node ``grasp_planner``: depth images, poses of known objects and tracks in, grasps out."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from perception_stack.datatypes import DepthImage, Grasps
from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.io import messages
from perception_stack.msg import GraspArray, TrackedObjectArray
from perception_stack.pipeline.grasp_models import load_known
from perception_stack.pipeline.grasp_stage import GraspStage
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.ros import conversions, qos
from perception_stack.ros.frames import FrameListener
from perception_stack.ros.grasp_markers import grasp_markers
from perception_stack.ros.planning_scene import PlanningScene
from perception_stack.ros.step_node import StepNode, arrival_ns, run

_EXPIRE_PERIOD_S = 0.05
_STEP = "grasp_planner"


class GraspPlannerNode(StepNode):
    """Turns ``depth`` into ``grasps``; with ``on_request`` only when ``plan_grasps`` is called."""

    def __init__(self, **node_options: Any) -> None:
        sections = (_STEP, "depth_detector", "fusion", "pose_estimator")
        super().__init__(_STEP, sections, **node_options)
        self._config = self.config(_STEP, GraspPlannerConfig)
        self._gripper = self._config.gripper
        pairing = self.config("fusion", FusionConfig)
        meshes = self.config("pose_estimator", PoseEstimatorConfig).mesh_dir
        journal = self.journals[_STEP]
        frames = FrameTree(reset_s=pairing.reset_s)
        self._stage = GraspStage(
            self._config,
            self.config("depth_detector", DepthDetectorConfig),
            pairing,
            known=load_known(meshes, self._config),
            frames=frames,
            journal=journal,
        )
        self._stage.warm_up()
        self._newest: DepthImage | None = None
        self._listener = FrameListener(self, frames, journal, on_change=lambda: None)
        self._grasps = self.advertise(GraspArray, "grasps", qos.RESULT)
        self._markers = self.advertise(MarkerArray, "grasp_markers", qos.RESULT)
        self._scene = PlanningScene(self, self._config.collision_ttl_s)
        self.subscribe(CameraInfo, "depth_camera_info", self._on_camera_info, qos.SENSOR)
        self.subscribe(Detection3DArray, "object_poses", self._on_poses, qos.RESULT)
        self.subscribe(TrackedObjectArray, "objects", self._on_objects, qos.RESULT)
        self.subscribe(Image, "depth", self._on_depth, qos.SENSOR)
        self.create_service(Trigger, "plan_grasps", self._on_request)
        self.every(_EXPIRE_PERIOD_S, self._expire)

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._stage.set_camera(messages.camera_from_msg(msg))

    def _on_poses(self, msg: Detection3DArray) -> None:
        poses = messages.boxes3d_from_msg(msg)
        with self.timed(_STEP):
            num = self._publish(self._stage.push_poses(poses, arrival_ns=arrival_ns()))
        self.frames_done(_STEP, num)

    def _on_objects(self, msg: TrackedObjectArray) -> None:
        objects = messages.objects_from_msg(msg)
        with self.timed(_STEP):
            num = self._publish(self._stage.push_objects(objects, arrival_ns=arrival_ns()))
        self.frames_done(_STEP, num)

    def _on_depth(self, msg: Image) -> None:
        depth = messages.depth_from_msg(msg)
        if self._config.on_request:
            self._newest = depth
        else:
            self._push(depth)

    def _on_request(self, _request: Trigger.Request, answer: Trigger.Response) -> Trigger.Response:
        depth, self._newest = self._newest, None
        if not self._config.on_request:
            answer.message = "grasps follow each depth image; grasp_planner.on_request is off"
        elif depth is None:
            answer.message = "no depth image since the last request"
        else:
            with self.drop_frame_on_error("depth", None):
                self._push(depth)
                answer.success = True
                answer.message = f"grasps of the depth image at {depth.stamp_ns} ns follow"
        return answer

    def _push(self, depth: DepthImage) -> None:
        self._update_expectations()
        with self.timed(_STEP):
            num = self._publish(self._stage.push_depth(depth, arrival_ns=arrival_ns()))
        self.frames_done(_STEP, num)

    def _expire(self) -> None:
        self._update_expectations()
        with self.timed(_STEP):
            num = self._publish(self._stage.expire(arrival_ns()))
        self.frames_done(_STEP, num)

    def _update_expectations(self) -> None:
        self._stage.expect_poses(self.has_publisher("object_poses"))
        self._stage.expect_objects(self.has_publisher("objects"))

    def _publish(self, frames: list[Grasps]) -> int:
        for grasps in frames:
            self._grasps.publish(conversions.grasps_msg(grasps))
            self._scene.update(grasps.objects)
            if self._markers.get_subscription_count():
                self._markers.publish(grasp_markers(grasps, self._gripper))
        return len(frames)


def main() -> None:
    """Entry point of ``ros2 run perception_stack grasp_planner``."""
    run(GraspPlannerNode)
