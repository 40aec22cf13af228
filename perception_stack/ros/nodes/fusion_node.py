"""Node ``fusion``: clusters, 2-D detections and depth images in, fused 3-D boxes out."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection2DArray, Detection3DArray

from perception_stack.datatypes import Boxes3D
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.io import messages
from perception_stack.pipeline.fusion_stage import FusionStage
from perception_stack.ros import conversions, qos
from perception_stack.ros.frames import FrameListener
from perception_stack.ros.step_node import StepNode, arrival_ns, run

_EXPIRE_PERIOD_S = 0.02


class FusionNode(StepNode):
    """Turns ``clusters``, ``detections`` and ``depth`` into ``detections_3d``."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("fusion", ("fusion",), **node_options)
        config, journal = self.config("fusion", FusionConfig), self.journals["fusion"]
        frames = FrameTree(reset_s=config.reset_s)
        self._stage = FusionStage(config, frames, journal)
        self._stage.warm_up()
        self._stage.expect_detections(False)
        self._listener = FrameListener(self, frames, journal, on_change=lambda: None)
        self._detections_3d = self.advertise(Detection3DArray, "detections_3d", qos.RESULT)
        self.subscribe(CameraInfo, "camera_info", self._on_camera_info, qos.SENSOR)
        self.subscribe(
            Detection3DArray,
            "clusters",
            self._on_clusters,
            qos.RESULT,
            decode=conversions.boxes3d_decoder(),
        )
        self.subscribe(Detection2DArray, "detections", self._on_detections, qos.RESULT)
        self.subscribe(Image, "depth", self._on_depth, qos.SENSOR)
        self.every(_EXPIRE_PERIOD_S, self._expire)

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._stage.set_camera(messages.camera_from_msg(msg))

    def _on_clusters(self, msg: Detection3DArray) -> None:
        self._stage.expect_detections(self.has_publisher("detections"))
        with self.timed("fusion"):
            clusters = messages.boxes3d_from_msg(msg)
            self._publish(self._stage.push_clusters(clusters, arrival_ns=arrival_ns()))

    def _on_detections(self, msg: Detection2DArray) -> None:
        with self.timed("fusion"):
            detections = messages.detections2d_from_msg(msg)
            self._publish(self._stage.push_detections(detections, arrival_ns=arrival_ns()))

    def _on_depth(self, msg: Image) -> None:
        self._stage.expect_detections(self.has_publisher("detections"))
        with self.timed("fusion"):
            depth = messages.depth_from_msg(msg)
            self._publish(self._stage.push_depth(depth, arrival_ns=arrival_ns()))

    def _expire(self) -> None:
        self._stage.expect_detections(self.has_publisher("detections"))
        self._publish(self._stage.expire(arrival_ns()))

    def _publish(self, frames: list[Boxes3D]) -> None:
        for boxes in frames:
            self._detections_3d.publish(conversions.boxes3d_msg(boxes))


def main() -> None:
    """Entry point of ``ros2 run perception_stack fusion``."""
    run(FusionNode)
