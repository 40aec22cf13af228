"""Node ``lidar_detector``: point clouds in; clusters, obstacle points and occupancy out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sensor_msgs.msg import PointCloud2
from vision_msgs.msg import Detection3DArray

from perception_stack.datatypes import PointCloud
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.io import messages
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.pillars.config import LidarNetworkConfig
from perception_stack.pipeline.drift_stage import DriftStage
from perception_stack.pipeline.lidar_stage import LidarStage
from perception_stack.pipeline.scan_stage import ScanStage
from perception_stack.ros import conversions, qos
from perception_stack.ros.drift_status import DriftStatus
from perception_stack.ros.frames import FrameListener
from perception_stack.ros.occupancy import OccupancyOutput
from perception_stack.ros.step_node import StepNode, arrival_ns, run

_EXPIRE_PERIOD_S = 0.05


class LidarDetectorNode(StepNode):
    """Turns ``points`` into ``clusters``, ``obstacle_points`` and, if asked for, ``occupancy``."""

    def __init__(self, **node_options: Any) -> None:
        sections = ("lidar_detector", "lidar_network")
        super().__init__("lidar_detector", sections, **node_options)
        config = self.config("lidar_detector", LidarDetectorConfig)
        journal = self.journals["lidar_detector"]
        frames = FrameTree(reset_s=config.reset_s)
        self._topics = config.cloud_topics
        self._scans = ScanStage(config, frames, journal)
        self._scans.warm_up()
        network = self.config("lidar_network", LidarNetworkConfig)
        self._detector = LidarStage(config, network, journal)
        self._detector.warm_up()
        messages.warm_up()
        self._drift = DriftStage(config.reference, ("points",), journal)
        if self._drift.enabled:
            self._status = DriftStatus(self, lambda: self._drift.findings)
        self._occupancy = OccupancyOutput(self, config, frames, journal)
        self._clusters = self.advertise(Detection3DArray, "clusters", qos.RESULT)
        self._points = self.advertise(PointCloud2, "obstacle_points", qos.RESULT)
        self._listener = FrameListener(self, frames, journal, on_change=self._expire)
        for name, topic in self._topics.items():
            self.subscribe(PointCloud2, topic, partial(self._on_points, name), qos.SENSOR)
        self.every(_EXPIRE_PERIOD_S, self._expire)

    def _on_points(self, name: str, msg: PointCloud2) -> None:
        self._update_expectations()
        cloud = messages.cloud_from_msg(msg)
        if name == next(iter(self._topics)):
            self._drift.add_cloud(cloud)
        self._push(lambda: self._scans.push(name, cloud, arrival_ns=arrival_ns()))

    def _expire(self) -> None:
        self._update_expectations()
        self._push(lambda: self._scans.expire(arrival_ns()))
        self._occupancy.publish_ready()

    def _update_expectations(self) -> None:
        for name, topic in self._topics.items():
            self._scans.expect(name, self.has_publisher(topic))

    def _push(self, push: Callable[[], list[PointCloud]]) -> None:
        with self.timed("lidar_detector"):
            scans = push()
            for scan in scans:
                self._detect(scan)
        self.frames_done("lidar_detector", len(scans))

    def _detect(self, scan: PointCloud) -> None:
        obstacles, segmentation = self._detector.detect(scan)
        # the points first: fusion can begin when the clusters are there
        self._points.publish(conversions.obstacle_points_msg(obstacles))
        self._clusters.publish(messages.boxes3d_to_bytes(obstacles.boxes))
        if segmentation is not None:
            self._occupancy.push(scan, segmentation)


def main() -> None:
    """Entry point of ``ros2 run perception_stack lidar_detector``."""
    run(LidarDetectorNode)
