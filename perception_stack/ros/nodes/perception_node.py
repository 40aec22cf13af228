"""Node ``perception``: the whole chain in one process, with no copy between the steps."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from vision_msgs.msg import Detection2DArray, Detection3DArray

from perception_stack.datatypes import FrameResult
from perception_stack.io import messages
from perception_stack.pipeline.chain import STEPS, Chain
from perception_stack.pipeline.config import ChainConfig, section_types
from perception_stack.ros import conversions, qos
from perception_stack.ros.frames import FrameListener
from perception_stack.ros.outputs import ObjectOutputs
from perception_stack.ros.step_node import StepNode, arrival_ns, run

_EXPIRE_PERIOD_S = 0.02


class PerceptionNode(StepNode):
    """Turns sensor data into ``objects`` and ``object_poses``."""

    def __init__(self, **node_options: Any) -> None:
        sections = tuple(name for name in section_types() if name != "calibration")
        super().__init__("perception", sections, steps=STEPS, **node_options)
        config = ChainConfig.of(self.configs)
        self._chain = Chain(config, self.journals)
        self._chain.warm_up()
        self._chain.expect_detections(False)
        self._outputs = ObjectOutputs(self, obstacle_spacing_m=config.tracker.obstacle_spacing_m)
        self._detections_3d = self.advertise(Detection3DArray, "detections_3d", qos.RESULT)
        self._poses = self.advertise(Detection3DArray, "object_poses", qos.RESULT)
        self._listener = FrameListener(
            self, self._chain.frames, self.journals["tracker"], on_change=self._on_transform
        )
        self.subscribe(CameraInfo, "camera_info", self._on_camera_info, qos.SENSOR)
        self.subscribe(PointCloud2, "points", self._on_points, qos.SENSOR)
        self.subscribe(Image, "depth", self._on_depth, qos.SENSOR)
        if self._chain.detects_in_images:
            self.subscribe(Image, "image", self._on_image, qos.SENSOR)
        else:
            text = "no model configured (parameter detector.model); listening to 'detections'"
            self.get_logger().warning(text)
            self.subscribe(Detection2DArray, "detections", self._on_detections, qos.RESULT)
        self.every(_EXPIRE_PERIOD_S, self._expire)

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._chain.add_camera(messages.camera_from_msg(msg))

    def _on_points(self, msg: PointCloud2) -> None:
        self._update_expectations()
        cloud = messages.cloud_from_msg(msg)
        self._publish(self._chain.add_cloud(cloud, arrival_ns=arrival_ns()))

    def _on_image(self, msg: Image) -> None:
        image = messages.image_from_msg(msg)
        self._publish(self._chain.add_image(image, arrival_ns=arrival_ns()))

    def _on_depth(self, msg: Image) -> None:
        self._update_expectations()
        depth = messages.depth_from_msg(msg)
        self._publish(self._chain.add_depth(depth, arrival_ns=arrival_ns()))

    def _on_detections(self, msg: Detection2DArray) -> None:
        detections = messages.detections2d_from_msg(msg)
        self._publish(self._chain.add_detections(detections, arrival_ns=arrival_ns()))

    def _on_transform(self) -> None:
        self._publish(self._chain.tracking_ready(arrival_ns()))

    def _expire(self) -> None:
        self._update_expectations()
        self._publish(self._chain.expire(arrival_ns()))

    def _update_expectations(self) -> None:
        source = "image" if self._chain.detects_in_images else "detections"
        self._chain.expect_detections(self.has_publisher(source))

    def _publish(self, results: list[FrameResult]) -> None:
        for result in results:
            self._outputs.publish(result)
            if self._detections_3d.get_subscription_count():
                self._detections_3d.publish(conversions.boxes3d_msg(result.detections))
        for poses in self._chain.take_poses():
            self._poses.publish(conversions.boxes3d_msg(poses))
        for latency in self._chain.take_latencies():
            self.diagnostics.frame_done(latency.step, latency.duration_ns)


def main() -> None:
    """Entry point of ``ros2 run perception_stack perception``."""
    run(PerceptionNode)
