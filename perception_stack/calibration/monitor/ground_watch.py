"""How a LiDAR stands above the ground, frame by frame."""

from __future__ import annotations

import numpy as np

from perception_stack.calibration.monitor.reading import Reading
from perception_stack.datatypes import FloatArray, PointCloud
from perception_stack.geometry.transforms import RigidTransform

NAMES = ("roll", "pitch", "height")
"""Of a reading's values: turn about x and y of the base, rad, and distance above the ground, m."""
FLOOR: FloatArray = np.array([np.deg2rad(0.03), np.deg2rad(0.03), 0.004])

_NEAREST_M, _FARTHEST_M = 2.5, 20.0
_BANDS_M = (0.30, 0.15, 0.08, 0.05)
_FEWEST, _WIDEST_GAP = 200, 0.6


class GroundWatch:
    """Reads roll, pitch and height off the ground about the robot.

    Args:
        base_from_lidar: Calibration; the base is level, its origin on the ground or above it.
    """

    def __init__(self, base_from_lidar: RigidTransform) -> None:
        self._pose = base_from_lidar
        self._height_m: float | None = None

    def read(self, cloud: PointCloud) -> Reading:
        """Three numbers; see :data:`NAMES`.

        A plane z = a x + b y + c is fitted to what lies close to the last one, in ever narrower
        bands; the first is at the lowest level where much lies.
        """
        points = self._pose.apply(cloud.xyz_m.astype(np.float64))
        distance_m = np.hypot(points[:, 0], points[:, 1])
        near = (distance_m > _NEAREST_M) & (distance_m < _FARTHEST_M)
        points = points[near & np.isfinite(points).all(axis=1)]
        if len(points) < _FEWEST:
            return Reading.none(f"{len(points)} points near the robot, {_FEWEST} are needed")
        level_m = self._height_m if self._height_m is not None else _lowest_level(points)
        design = np.column_stack([points[:, :2], np.ones(len(points))])
        plane = np.array([0.0, 0.0, level_m])
        for band_m in _BANDS_M:
            # the first band widens with distance: a turn of a degree is 35 cm at 20 m
            reach = band_m * (1 + distance_m[near][: len(points)] / 20) if band_m > 0.2 else band_m
            on_it = np.abs(points[:, 2] - design @ plane) < reach
            if on_it.sum() < _FEWEST:
                return Reading.none(f"{on_it.sum()} points on the ground, {_FEWEST} are needed")
            plane = np.linalg.lstsq(design[on_it], points[on_it, 2], rcond=None)[0]
        if not _all_around(points[on_it, :2]):
            return Reading.none("ground is seen on one side only")
        self._height_m = float(plane[2])
        return Reading(values=np.array([plane[1], -plane[0], -plane[2]]))


def _lowest_level(points: FloatArray) -> float:
    """Height of the lowest of the well filled layers of 10 cm."""
    layer = np.floor(points[:, 2] / 0.1).astype(int)
    first = layer.min()
    count = np.bincount(layer - first)
    return float((first + np.argmax(count > 0.3 * count.max()) + 0.5) * 0.1)


def _all_around(flat: FloatArray) -> bool:
    """Whether points fix a plane: spread in both directions."""
    values = np.linalg.eigvalsh(np.cov(flat.T))
    return bool(values[0] > 1.0 and values[0] > (1 - _WIDEST_GAP) ** 2 * 0.05 * values[1])
