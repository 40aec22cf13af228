"""Node ``lidar_detector``: point clouds in, oriented boxes of what stands on the ground out."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import PointCloud2
from vision_msgs.msg import Detection3DArray

from perception_stack.io import messages
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.ros import conversions, qos
from perception_stack.ros.step_node import StepNode, run


class LidarDetectorNode(StepNode):
    """Turns ``points`` into ``clusters``."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("lidar_detector", ("lidar_detector",), **node_options)
        config = self.config("lidar_detector", LidarDetectorConfig)
        self._detector = LidarDetector(config, self.journals["lidar_detector"])
        self._detector.warm_up()
        self._clusters = self.advertise(Detection3DArray, "clusters", qos.RESULT)
        self.subscribe(PointCloud2, "points", self._on_points, qos.SENSOR)

    def _on_points(self, msg: PointCloud2) -> None:
        with self.timed("lidar_detector"):
            obstacles = self._detector.detect(messages.cloud_from_msg(msg))
            self._clusters.publish(conversions.boxes3d_msg(obstacles.boxes))


def main() -> None:
    """Entry point of ``ros2 run perception_stack lidar_detector``."""
    run(LidarDetectorNode)
