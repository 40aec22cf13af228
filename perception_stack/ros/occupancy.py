"""Publishes the occupancy grid of each scan, while somebody listens."""

from __future__ import annotations

from functools import partial

from nav_msgs.msg import OccupancyGrid

from perception_stack.datatypes import PointCloud
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import Segmentation
from perception_stack.lidar.occupancy import occupancy_grid
from perception_stack.pipeline.transform_queue import TransformQueue
from perception_stack.ros import conversions, qos
from perception_stack.ros.step_node import StepNode, arrival_ns


class OccupancyOutput:
    """The topic ``occupancy``, in the fixed frame: its cells then lie on one lattice.

    Args:
        node: Publishes.
        config: Fixed frame, size of the grid.
        frames: Where the LiDAR is.
        journal: Told of every scan whose place is not known.
    """

    def __init__(
        self, node: StepNode, config: LidarDetectorConfig, frames: FrameTree, journal: Journal
    ) -> None:
        self._config = config
        self._publisher = node.advertise(OccupancyGrid, "occupancy", qos.RESULT)
        self._waiting: TransformQueue[tuple[PointCloud, Segmentation], RigidTransform]
        self._waiting = TransformQueue(
            partial(_level_from_sensor, frames, config.fixed_frame),
            journal,
            timeout_s=config.transform_timeout_s,
        )

    def push(self, scan: PointCloud, segmentation: Segmentation) -> None:
        """One scan; nothing is done where nobody listens."""
        if self._publisher.get_subscription_count():
            item = scan, segmentation
            self._waiting.push(item, stamp_ns=scan.stamp_ns, arrival_ns=arrival_ns())
            self.publish_ready()

    def publish_ready(self) -> None:
        """Publish the grids of the scans whose place has become known."""
        for (scan, segmentation), level_from_sensor in self._waiting.ready(arrival_ns()):
            if level_from_sensor is None:
                continue
            grid = occupancy_grid(
                segmentation.columns,
                segmentation.ground_m,
                segmentation.clusters.of_point,
                self._config,
                level_from_sensor=level_from_sensor,
                stamp_ns=scan.stamp_ns,
            )
            self._publisher.publish(conversions.occupancy_msg(grid))


def _level_from_sensor(
    frames: FrameTree, fixed_frame: str, item: tuple[PointCloud, Segmentation]
) -> RigidTransform:
    scan, _ = item
    return frames.lookup(fixed_frame, scan.frame_id, scan.stamp_ns)
