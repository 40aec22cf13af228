"""Node ``perception``: the whole chain in one process, with no copy between the steps."""

from __future__ import annotations

from functools import partial
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from vision_msgs.msg import Detection2DArray, Detection3DArray

from perception_stack.datatypes import FrameResult, Obstacles
from perception_stack.io import messages
from perception_stack.pipeline.chain import STEPS, Chain
from perception_stack.pipeline.config import ChainConfig, section_types
from perception_stack.pipeline.fusion_stage import DEPTH, LIDAR
from perception_stack.pipeline.inputs import WAITING, Input, expect, feed, inputs_of
from perception_stack.ros import conversions, qos
from perception_stack.ros.drift_status import DriftStatus
from perception_stack.ros.frames import FrameListener
from perception_stack.ros.outputs import ObjectOutputs
from perception_stack.ros.step_node import StepNode, arrival_ns, run

_EXPIRE_PERIOD_S = 0.05
_TYPES = {
    "points": (PointCloud2, qos.SENSOR),
    "depth": (Image, qos.SENSOR),
    "depth_camera_info": (CameraInfo, qos.SENSOR),
    "camera_info": (CameraInfo, qos.SENSOR),
    "image": (Image, qos.SENSOR),
    "image/compressed": (CompressedImage, qos.SENSOR),
    "detections": (Detection2DArray, qos.RESULT),
    "masks": (Image, qos.RESULT),
    "detections_3d": (Detection3DArray, qos.RESULT),
}


class PerceptionNode(StepNode):
    """Turns sensor data into ``objects`` and ``object_poses``."""

    def __init__(self, **node_options: Any) -> None:
        sections = tuple(name for name in section_types() if name != "calibration")
        super().__init__("perception", sections, steps=STEPS, **node_options)
        self._config = ChainConfig.of(self.configs)
        self._chain = Chain(self._config, self.journals, on_obstacles=self._on_obstacles)
        self._chain.warm_up()
        messages.warm_up()
        self._update_expectations()
        self._outputs = ObjectOutputs(
            self,
            obstacle_spacing_m=self._config.tracker.obstacle_spacing_m,
            predicted=self._chain.predicted,
        )
        self._detections_3d = self.advertise(Detection3DArray, "detections_3d", qos.RESULT)
        self._points = {
            LIDAR: self.advertise(PointCloud2, "obstacle_points", qos.RESULT),
            DEPTH: self.advertise(PointCloud2, "depth_obstacle_points", qos.RESULT),
        }
        self._poses = self.advertise(Detection3DArray, "object_poses", qos.RESULT)
        self._listener = FrameListener(
            self, self._chain.frames, self.journals["tracker"], on_change=self._on_transform
        )
        if not self._chain.detects_in_images:
            text = "no model configured (parameter detector.model); listening to 'detections'"
            self.get_logger().warning(text)
        if self._chain.drift:
            self._drift = DriftStatus(self, lambda: self._chain.drift)
        for one in inputs_of(self._config):
            msg_type, profile = _TYPES[one.kind]
            self.subscribe(msg_type, one.topic, partial(self._on_message, one), profile)
        self.every(_EXPIRE_PERIOD_S, self._expire)

    def _on_message(self, given: Input, msg: Any) -> None:
        if given.kind in WAITING:
            self._update_expectations()
        self._publish(feed(self._chain, given, msg, arrival_ns=arrival_ns()))

    def _on_obstacles(self, sensor: str, obstacles: Obstacles) -> None:
        if self._points[sensor].get_subscription_count():
            self._points[sensor].publish(conversions.obstacle_points_msg(obstacles))

    def _on_transform(self) -> None:
        self._publish(self._chain.ready(arrival_ns()))

    def _expire(self) -> None:
        self._update_expectations()
        self._publish(self._chain.expire(arrival_ns()))

    def _update_expectations(self) -> None:
        expect(self._chain, self._config, lambda one: self.has_publisher(one.topic))

    def _publish(self, results: list[FrameResult]) -> None:
        for result in results:
            self._outputs.publish(result)
            if self._detections_3d.get_subscription_count():
                self._detections_3d.publish(messages.boxes3d_to_bytes(result.detections))
        for poses in self._chain.take_poses():
            self._poses.publish(messages.boxes3d_to_bytes(poses))
        for latency in self._chain.take_latencies():
            self.diagnostics.frame_done(latency.step, latency.duration_ns)


def main() -> None:
    """Entry point of ``ros2 run perception_stack perception``."""
    run(PerceptionNode)
