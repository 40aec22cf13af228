"""Node ``calibration``: says once, for all who come, how the cameras see and where sensors sit."""

from __future__ import annotations

from typing import Any

import tf2_ros
from sensor_msgs.msg import CameraInfo

from perception_stack.calibration.config import CalibrationConfig
from perception_stack.pipeline.calibration import load_rig
from perception_stack.ros import conversions, qos
from perception_stack.ros.step_node import StepNode, run


class CalibrationNode(StepNode):
    """Publishes the calibration files as latched ``camera_info`` and static TF."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("calibration", ("calibration",), **node_options)
        config = self.config("calibration", CalibrationConfig)
        rig = load_rig(config)
        self._broadcaster = tf2_ros.StaticTransformBroadcaster(self)
        stamp_ns = self.get_clock().now().nanoseconds
        if rig.extrinsics:
            self._broadcaster.sendTransform(
                conversions.transforms_msg(rig.extrinsics, stamp_ns=stamp_ns).transforms
            )
        self._cameras = rig.cameras
        self._publishers = [
            self.advertise(CameraInfo, topic, qos.LATCHED)
            for topic in config.camera_info_topics[: len(rig.cameras)]
        ]
        self._publish()
        # said again for readers that do not ask for what was said before they came
        self.every(config.publish_period_s, self._publish)

    def _publish(self) -> None:
        stamp_ns = self.get_clock().now().nanoseconds
        for publisher, camera in zip(self._publishers, self._cameras, strict=True):
            publisher.publish(conversions.camera_info_msg(camera, stamp_ns=stamp_ns))


def main() -> None:
    """Entry point of ``ros2 run perception_stack calibration``."""
    run(CalibrationNode)
