"""Node ``pose_estimator``: detections and depth images in, 6-DoF poses of known objects out."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection2DArray, Detection3DArray

from perception_stack.datatypes import Boxes3D
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.io import messages
from perception_stack.journal import Reason
from perception_stack.pipeline.pose_stage import PoseStage
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.ros import qos
from perception_stack.ros.frames import FrameListener
from perception_stack.ros.step_node import StepNode, arrival_ns, run

_EXPIRE_PERIOD_S = 0.05


class PoseEstimatorNode(StepNode):
    """Turns ``detections`` and ``depth`` into ``object_poses``; without meshes it says so."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("pose_estimator", ("pose_estimator", "fusion"), **node_options)
        config = self.config("pose_estimator", PoseEstimatorConfig)
        journal = self.journals["pose_estimator"]
        if not config.enabled:
            text = "no meshes configured (parameter pose_estimator.mesh_dir); no poses"
            self.get_logger().warning(text)
            journal.count(Reason.NO_MESH, stamp_ns=0, detail=text)
            return
        pairing = self.config("fusion", FusionConfig)
        frames = FrameTree(reset_s=pairing.reset_s)
        self._stage = PoseStage(config, pairing, frames, journal)
        self._listener = FrameListener(self, frames, journal, on_change=lambda: None)
        self._poses = self.advertise(Detection3DArray, "object_poses", qos.RESULT)
        self.subscribe(CameraInfo, "camera_info", self._on_camera_info, qos.SENSOR)
        self.subscribe(CameraInfo, "depth_camera_info", self._on_depth_camera_info, qos.SENSOR)
        self.subscribe(Detection2DArray, "detections", self._on_detections, qos.RESULT)
        self.subscribe(Image, "depth", self._on_depth, qos.SENSOR)
        self.every(_EXPIRE_PERIOD_S, self._expire)

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._stage.set_camera(messages.camera_from_msg(msg))

    def _on_depth_camera_info(self, msg: CameraInfo) -> None:
        self._stage.set_depth_camera(messages.camera_from_msg(msg))

    def _on_detections(self, msg: Detection2DArray) -> None:
        detections = messages.detections2d_from_msg(msg)
        with self.timed("pose_estimator"):
            num = self._publish(self._stage.push_detections(detections, arrival_ns=arrival_ns()))
        self.frames_done("pose_estimator", num)

    def _on_depth(self, msg: Image) -> None:
        depth = messages.depth_from_msg(msg)
        with self.timed("pose_estimator"):
            num = self._publish(self._stage.push_depth(depth, arrival_ns=arrival_ns()))
        self.frames_done("pose_estimator", num)

    def _expire(self) -> None:
        with self.timed("pose_estimator"):
            num = self._publish(self._stage.expire(arrival_ns()))
        self.frames_done("pose_estimator", num)

    def _publish(self, frames: list[Boxes3D]) -> int:
        for poses in frames:
            self._poses.publish(messages.boxes3d_to_bytes(poses))
        return len(frames)


def main() -> None:
    """Entry point of ``ros2 run perception_stack pose_estimator``."""
    run(PoseEstimatorNode)
