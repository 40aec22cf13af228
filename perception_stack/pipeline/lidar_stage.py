"""The LiDAR detector with or without a network: a scan in, one list of obstacles out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perception_stack.datatypes import Obstacles, PointCloud
from perception_stack.journal import Journal, Reason
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector, Segmentation
from perception_stack.lidar.merging import merge
from perception_stack.pillars.config import LidarNetworkConfig

if TYPE_CHECKING:
    from perception_stack.pillars.detector import PillarDetector
    from perception_stack.pillars.sensor_check import SensorCheck


class LidarStage:
    """Clusters, and where a network is configured and made for the sensor, its boxes.

    Args:
        config: Parameters of the clustering.
        network: Parameters of the network.
        journal: Gets a reason for everything left out, and where the network does not fit.

    Raises:
        ModelLoadError: the model or its manifest cannot be used.
    """

    def __init__(
        self, config: LidarDetectorConfig, network: LidarNetworkConfig, journal: Journal
    ) -> None:
        self._clusters = LidarDetector(config, journal)
        self._config = network
        self._journal = journal
        self._network: PillarDetector | None = None
        self._check: SensorCheck | None = None
        if network.enabled:
            from perception_stack.pillars.detector import PillarDetector
            from perception_stack.pillars.sensor_check import SensorCheck

            self._network = PillarDetector(network)
            if network.check_sensor:
                self._check = SensorCheck(self._network.manifest.sensor)

    def warm_up(self) -> None:
        """Compile and load what the first scan would otherwise have to wait for."""
        self._clusters.warm_up()
        if self._network is not None:
            self._network.warm_up()

    def detect(self, scan: PointCloud) -> tuple[Obstacles, Segmentation | None]:
        """Obstacles of one scan in the sensor's own frame, and the ground they stand on.

        Returns:
            As :meth:`LidarDetector.detect`, but objects that the network found have its box; None
            where there is no point to look at.
        """
        segmentation = self._clusters.segment(scan)
        clusters = self._clusters.obstacles(scan, segmentation)
        if self._network is None or segmentation is None:
            return clusters, segmentation
        misfit = None
        if self._check is not None:
            misfit = self._check.misfit(scan, segmentation.plane)
        if misfit is not None:
            self._journal.count(Reason.SENSOR_UNSUITED, stamp_ns=scan.stamp_ns, detail=misfit)
            return clusters, segmentation
        boxes = self._network.detect(scan, plane=segmentation.plane)
        obstacles = merge(
            clusters,
            boxes,
            share=self._config.explained_share,
            margin_m=self._config.margin_m,
        )
        return obstacles, segmentation
