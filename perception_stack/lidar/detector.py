"""The LiDAR detector step: a cloud in, what stands on the ground out, as points and as boxes.

The cloud is in the sensor's own frame, z up within some 20 degrees: the sensor is at its origin,
which decides what of an object can be seen. Each scan is taken for itself; only a lasting
change of the sensor's place above the ground is told from the scans before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from perception_stack.datatypes import Boxes3D, FloatArray, Obstacles, PointCloud
from perception_stack.geometry.compiled import compiled
from perception_stack.journal import Journal, Reason
from perception_stack.lidar.clustering import Clusters, find_clusters
from perception_stack.lidar.columns import Columns, build_columns
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.ground import ground_height
from perception_stack.lidar.ground_plane import ground_plane
from perception_stack.lidar.ground_watch import GroundWatch
from perception_stack.lidar.sight import look_around
from perception_stack.shape.boxes import HIDDEN, boxes_from_rectangles
from perception_stack.shape.rectangles import fit_rectangles


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """What each point of a cloud belongs to.

    Attributes:
        columns: The thinned cloud, K columns.
        plane: (a, b, c) of z = a x + b y + c, the mean plane of the ground.
        ground_m: float64 [K], z of the ground at each column.
        clusters: What stands on it.
    """

    columns: Columns
    plane: FloatArray
    ground_m: FloatArray
    clusters: Clusters


class LidarDetector:
    """What stands on the ground, by geometry alone.

    Args:
        config: Ranges, ground, gaps and sizes.
        journal: Gets a reason for every cloud, point and cluster left out.
    """

    def __init__(self, config: LidarDetectorConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._ground_watch = GroundWatch(config)

    def warm_up(self) -> None:
        """Compile everything, which would otherwise hold up the first scan for seconds."""
        turn = np.linspace(0, 2 * np.pi, 400, dtype=np.float32)
        ground = np.stack([9 * np.cos(turn), 9 * np.sin(turn), np.full_like(turn, -1.5)], axis=1)
        thing = np.stack([np.full_like(turn, 5), turn / 8, turn / 4 - 1.5], axis=1)
        cloud = PointCloud(frame_id="", stamp_ns=0, xyz_m=np.concatenate([ground, thing]))
        LidarDetector(self._config, Journal()).detect(cloud)

    def detect(self, cloud: PointCloud) -> Obstacles:
        """Obstacles of one scan.

        Yaw is only known up to a half turn, which the covariance says.

        Args:
            cloud: In the sensor's own frame, z up; intensity is not used.

        Returns:
            Points and boxes in ``cloud.frame_id``, the boxes with the sensors ``("lidar",)``; none
            where nothing stands on the ground or the cloud holds nothing, which the journal tells
            apart.
        """
        return self.obstacles(cloud, self.segment(cloud))

    def obstacles(self, cloud: PointCloud, segmentation: Segmentation | None) -> Obstacles:
        """As :meth:`detect`, of a scan that :meth:`segment` has been asked for already."""
        if segmentation is None:
            return Obstacles.of(Boxes3D.empty(frame_id=cloud.frame_id, stamp_ns=cloud.stamp_ns))
        shift = self._ground_watch.watch(segmentation.plane, stamp_ns=cloud.stamp_ns)
        if shift is not None:
            self._journal.count(Reason.GROUND_SHIFTED, stamp_ns=cloud.stamp_ns, detail=shift)
        clusters = segmentation.clusters
        xyz_m, of_point = _pick(segmentation.columns.xyz_m, clusters.of_point, clusters.standing)
        rectangles = fit_rectangles(xyz_m, of_point, clusters.num)
        length_m = (rectangles.high_m - rectangles.low_m).max(axis=1, initial=0.0)
        fits = length_m <= self._config.max_size_m
        self._journal.count(
            Reason.CLUSTER_TOO_LARGE,
            stamp_ns=cloud.stamp_ns,
            detail=f"up to {length_m.max(initial=0.0):.1f} m, limit {self._config.max_size_m} m",
            num=int(np.count_nonzero(~fits)),
        )
        sight = look_around(
            segmentation.columns.xyz_m,
            clusters.of_point,
            clusters.ground_m,
            believed_hidden=HIDDEN,
        )
        boxes = boxes_from_rectangles(
            rectangles.rows(fits),
            clusters.ground_m[fits],
            frame_id=cloud.frame_id,
            stamp_ns=cloud.stamp_ns,
            hidden=sight.hidden[fits],
            stands=sight.stands[fits],
        )
        # the last row serves those of no cluster, whose index is -1
        row = np.append(np.where(fits, np.cumsum(fits) - 1, -1), -1).astype(np.int32)
        return Obstacles(boxes=boxes, xyz_m=xyz_m, box_of_point=row.take(of_point, mode="wrap"))

    def segment(self, cloud: PointCloud) -> Segmentation | None:
        """Ground and clusters of one scan; None where no point is left to look at."""
        stamp_ns = cloud.stamp_ns
        if len(cloud) == 0:
            detail = f"frame '{cloud.frame_id}'"
            self._journal.count(Reason.EMPTY_CLOUD, stamp_ns=stamp_ns, detail=detail)
            return None
        columns = build_columns(cloud.xyz_m, self._config)
        bad = columns.num_non_finite
        detail = f"{bad} of {len(cloud)} points"
        self._journal.count(Reason.NON_FINITE_POINTS, stamp_ns=stamp_ns, detail=detail, num=bad)
        cropped, limit = columns.num_cropped, self._config
        detail = (
            f"{cropped} of {len(cloud)} points not {limit.min_range_m} to {limit.max_range_m} m "
            f"away and {limit.min_z_m} to {limit.max_z_m} m up"
        )
        self._journal.count(Reason.CROPPED_POINTS, stamp_ns=stamp_ns, detail=detail, num=cropped)
        if len(columns) == 0:
            detail = f"{bad} of {len(cloud)} points not finite, the others cropped"
            self._journal.count(Reason.NO_VALID_POINTS, stamp_ns=stamp_ns, detail=detail)
            return None
        plane = ground_plane(columns.xy_m, columns.lowest_m)
        ground_m = ground_height(columns, plane, self._config)
        clusters = find_clusters(columns, ground_m, self._config)
        self._journal.count(
            Reason.CLUSTER_TOO_SMALL,
            stamp_ns=stamp_ns,
            detail=f"fewer than {self._config.min_points} points",
            num=clusters.num_too_small,
        )
        return Segmentation(columns=columns, plane=plane, ground_m=ground_m, clusters=clusters)


@compiled
def _pick(xyz_m: Any, of_point: Any, index: Any) -> Any:
    """The rows of both at an index, which NumPy does several times slower."""
    picked_m, picked = np.empty((len(index), 3), dtype=np.float32), np.empty_like(index)
    for n in range(len(index)):
        i = index[n]
        for axis in range(3):
            picked_m[n, axis] = xyz_m[i, axis]
        picked[n] = of_point[i]
    return picked_m, picked
