"""How a LiDAR stands above the ground, frame by frame."""

from __future__ import annotations

import numpy as np

from perception_stack.calibration.monitor.reading import Reading
from perception_stack.datatypes import FloatArray, PointCloud
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import RigidTransform

NAMES = ("roll", "pitch", "height")
"""Of a reading's values: turn about x and y of the base, rad, and distance above the ground, m."""
FLOOR: FloatArray = np.array([np.deg2rad(0.03), np.deg2rad(0.03), 0.004])

_NEAREST_M, _FARTHEST_M = 2.5, 20.0
_BANDS_M = (0.30, 0.15, 0.08, 0.05)
# the first band widens with distance: a turn of a degree is 35 cm at 20 m
_GROWTH = (1 / 20, 0.0, 0.0, 0.0)
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
        near = (distance_m > _NEAREST_M) & (distance_m < _FARTHEST_M) & np.isfinite(points[:, 2])
        points = points[near]
        if len(points) < _FEWEST:
            return Reading.none(f"{len(points)} points near the robot, {_FEWEST} are needed")
        level_m = self._height_m if self._height_m is not None else _lowest_level(points)
        plane = np.array([0.0, 0.0, level_m])
        for band_m, growth in zip(_BANDS_M, _GROWTH, strict=True):
            sums = _sums_near(points, plane, band_m, growth)
            if sums[2, 2] < _FEWEST:
                return Reading.none(f"{sums[2, 2]:.0f} points on the ground, {_FEWEST} are needed")
            plane = np.linalg.lstsq(sums[:3, :3], sums[:3, 3], rcond=None)[0]
        if not _all_around(sums):
            return Reading.none("ground is seen on one side only")
        self._height_m = float(plane[2])
        return Reading(values=np.array([plane[1], -plane[0], -plane[2]]))


@compiled
def _sums_near(points: FloatArray, plane: FloatArray, band_m: float, growth: float) -> FloatArray:
    """Sum of (x, y, 1, z)ᵀ (x, y, 1, z) over the points near a plane, float64 [4, 4].

    Args:
        points: float64 [N, 3].
        plane: a, b, c of z = a x + b y + c.
        band_m: What is near at the origin.
        growth: Of that, per metre of distance.
    """
    sums = np.zeros((4, 4))
    row = np.ones(4)
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        reach_m = band_m * (1 + growth * np.sqrt(x * x + y * y))
        if not abs(z - plane[0] * x - plane[1] * y - plane[2]) < reach_m:
            continue
        row[0], row[1], row[3] = x, y, z
        for j in range(4):
            for k in range(4):
                sums[j, k] += row[j] * row[k]
    return sums


def _lowest_level(points: FloatArray) -> float:
    """Height of the lowest of the well filled layers of 10 cm."""
    layer = np.floor(points[:, 2] / 0.1).astype(int)
    first = layer.min()
    count = np.bincount(layer - first)
    return float((first + np.argmax(count > 0.3 * count.max()) + 0.5) * 0.1)


def _all_around(sums: FloatArray) -> bool:
    """Whether points fix a plane: spread in both directions."""
    num, middle = sums[2, 2], sums[:2, 2] / sums[2, 2]
    covariance = (sums[:2, :2] - num * np.outer(middle, middle)) / (num - 1)
    values = np.linalg.eigvalsh(covariance)
    return bool(values[0] > 1.0 and values[0] > (1 - _WIDEST_GAP) ** 2 * 0.05 * values[1])
