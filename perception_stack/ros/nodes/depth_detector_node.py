"""Node ``depth_detector``: depth images in, what stands out of table and floor out."""

from __future__ import annotations

from typing import Any

from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from vision_msgs.msg import Detection3DArray

from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.depth.detector import DepthDetector
from perception_stack.geometry.camera import CameraModel
from perception_stack.io import messages
from perception_stack.journal import Reason
from perception_stack.ros import conversions, qos
from perception_stack.ros.step_node import StepNode, run

_LOOK_PERIOD_S = 0.1


class DepthDetectorNode(StepNode):
    """Turns ``depth`` into ``depth_clusters`` and ``depth_obstacle_points``.

    Neither is advertised before somebody sends depth: others would wait for a camera that is not
    there.
    """

    def __init__(self, **node_options: Any) -> None:
        super().__init__("depth_detector", ("depth_detector",), **node_options)
        self._journal = self.journals["depth_detector"]
        config = self.config("depth_detector", DepthDetectorConfig)
        self._detector = DepthDetector(config, self._journal)
        self._detector.warm_up()
        messages.warm_up()
        self._camera: CameraModel | None = None
        self._outputs: tuple[Publisher, Publisher] | None = None
        self.subscribe(CameraInfo, "depth_camera_info", self._on_camera_info, qos.SENSOR)
        self.subscribe(Image, "depth", self._on_depth, qos.SENSOR)
        self.every(_LOOK_PERIOD_S, self._look_for_a_camera)

    def _look_for_a_camera(self) -> None:
        if self._outputs is None and self.has_publisher("depth"):
            self._advertised()

    def _advertised(self) -> tuple[Publisher, Publisher]:
        if self._outputs is None:
            self._outputs = (
                self.advertise(PointCloud2, "depth_obstacle_points", qos.RESULT),
                self.advertise(Detection3DArray, "depth_clusters", qos.RESULT),
            )
        return self._outputs

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._camera = messages.camera_from_msg(msg)

    def _on_depth(self, msg: Image) -> None:
        if self._camera is None:
            detail = "depth images wait for a first depth_camera_info"
            stamp_ns = messages.stamp_ns(msg.header)
            self._journal.count(Reason.NO_CALIBRATION, stamp_ns=stamp_ns, detail=detail)
            return
        points, clusters = self._advertised()
        with self.timed("depth_detector"):
            obstacles = self._detector.detect(messages.depth_from_msg(msg), self._camera)
            points.publish(conversions.obstacle_points_msg(obstacles))
            clusters.publish(messages.boxes3d_to_bytes(obstacles.boxes))
        self.frames_done("depth_detector", 1)


def main() -> None:
    """Entry point of ``ros2 run perception_stack depth_detector``."""
    run(DepthDetectorNode)
