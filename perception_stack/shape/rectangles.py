"""The upright rectangle around each cluster, turned so that its sides lie along the points.

Search over directions after Zhang et al., "Efficient L-shape fitting for vehicle detection using
laser scanners" (IV 2017), with their closeness criterion: points near the sides count most, so
the two faces that the sensor sees decide, where the smallest area would follow stray points
(measured on labelled cars: mean error 5.0 degrees instead of 8.5).
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled

_FINE_RAD = np.deg2rad(1.0)
_COARSE = 5  # fine steps
_NEAREST_M = 0.1  # closer to a side than this is on it; of the order of surface roughness
_PER_M = 8192.0  # whole numbers of this length, 0.1 mm, reach as far as 262 km
_MOST_POINTS = 400  # of one cluster that vote for a direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectangles:
    """M upright blocks around clusters, without a notion of length and width yet.

    Attributes:
        yaw_rad: float64 [M], direction of the first axis, in [0, pi/2).
        low_m: float64 [M, 2], least coordinate along the first and second axis.
        high_m: float64 [M, 2], greatest coordinate.
        z_m: float64 [M, 2], least and greatest z.
        num_points: int64 [M].
        sharpness_m: float64 [M], root mean square distance of the points to their nearest side.
    """

    yaw_rad: FloatArray
    low_m: FloatArray
    high_m: FloatArray
    z_m: FloatArray
    num_points: NDArray[np.int64]
    sharpness_m: FloatArray

    def __len__(self) -> int:
        return len(self.yaw_rad)

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Rectangles:
        """The rectangles picked by an integer index or a mask, in that order."""
        picked = np.flatnonzero(index) if index.dtype == np.bool_ else index
        return Rectangles(
            yaw_rad=self.yaw_rad[picked],
            low_m=self.low_m[picked],
            high_m=self.high_m[picked],
            z_m=self.z_m[picked],
            num_points=self.num_points[picked],
            sharpness_m=self.sharpness_m[picked],
        )


def fit_rectangles(
    xyz_m: NDArray[np.float32], cluster_of_point: NDArray[np.int32], num: int
) -> Rectangles:
    """One rectangle per cluster.

    Args:
        xyz_m: float32 [N, 3], contiguous, z up; those of a cluster are finite.
        cluster_of_point: int32 [N], below ``num``; negative for points of no cluster.
        num: How many clusters; each has at least one point.
    """
    points_m, start = _gather(xyz_m, cluster_of_point, num)
    yaw_rad, sharpness_m = _turn(points_m, start, _FINE_RAD, _COARSE, _NEAREST_M, _MOST_POINTS)
    low_m, high_m, z_m = _bound(points_m, start, yaw_rad)
    return Rectangles(
        yaw_rad=yaw_rad,
        low_m=low_m,
        high_m=high_m,
        z_m=z_m,
        num_points=np.diff(start),
        sharpness_m=sharpness_m,
    )


@compiled
def _gather(xyz_m: Any, cluster_of_point: Any, num: int) -> Any:
    """Points sorted by cluster, [P, 3]; cluster i has rows ``start[i]`` to ``start[i + 1]``."""
    start = np.zeros(num + 1, dtype=np.int64)
    for one in cluster_of_point:
        if one >= 0:
            start[one + 1] += 1
    start = np.cumsum(start)
    fill = start[:-1].copy()
    points_m = np.empty((start[-1], 3), dtype=np.float32)
    for i in range(len(xyz_m)):
        if cluster_of_point[i] < 0:
            continue
        one = cluster_of_point[i]
        row = fill[one]
        points_m[row, 0], points_m[row, 1] = xyz_m[i, 0], xyz_m[i, 1]
        points_m[row, 2] = xyz_m[i, 2]
        fill[one] += 1
    return points_m, start


@compiled
def _turn(
    points_m: Any,
    start: Any,
    fine_rad: float,
    coarse: int,
    nearest_m: float,
    most_points: int,
) -> Any:
    """The best direction of each cluster, and how far the points then are from the sides.

    Counts in whole numbers: their sums do not depend on the order, so that the processor may take
    several at a time and every processor says the same.
    """
    yaw_rad, sharpness_m = np.empty(len(start) - 1), np.empty(len(start) - 1)
    num_angles = round(0.5 * np.pi / fine_rad)
    cosine = np.cos(fine_rad * np.arange(num_angles)).astype(np.float32)
    sine = np.sin(fine_rad * np.arange(num_angles)).astype(np.float32)
    nearest = np.int32(nearest_m * _PER_M)
    x, y = np.empty((2, most_points), dtype=np.float32)
    a, b = np.empty((2, most_points), dtype=np.int32)
    num_coarse = num_angles // coarse
    for one in range(len(start) - 1):
        stride = (start[one + 1] - start[one] - 1) // most_points + 1
        num = 0
        for i in range(start[one], start[one + 1], stride):
            x[num], y[num] = points_m[i, 0] * _PER_M, points_m[i, 1] * _PER_M
            num += 1
        best, best_score, middle = 0, -1, 0
        # first all around, then about the best of those
        for step in range(num_coarse + 2 * coarse - 1):
            if step == num_coarse:
                middle = best
            turn = step * coarse
            if step >= num_coarse:
                turn = (middle + step - num_coarse - coarse + 1) % num_angles
            c, s = cosine[turn], sine[turn]
            low_a = low_b = np.int32(2**31 - 1)
            high_a = high_b = np.int32(-(2**31))
            for i in range(num):
                a[i], b[i] = c * x[i] + s * y[i], c * y[i] - s * x[i]
                low_a, high_a = np.int32(min(low_a, a[i])), np.int32(max(high_a, a[i]))
                low_b, high_b = np.int32(min(low_b, b[i])), np.int32(max(high_b, b[i]))
            score = 0
            for i in range(num):
                away = min(a[i] - low_a, high_a - a[i], b[i] - low_b, high_b - b[i])
                score += int(np.float32(2**24) / np.float32(max(away, nearest)))
            if score > best_score:
                best, best_score = turn, score
        yaw_rad[one] = best * fine_rad
        c, s = cosine[best], sine[best]
        for i in range(num):
            a[i], b[i] = c * x[i] + s * y[i], c * y[i] - s * x[i]
        low_a, high_a = a[:num].min(), a[:num].max()
        low_b, high_b = b[:num].min(), b[:num].max()
        miss = 0.0
        for i in range(num):
            away = min(a[i] - low_a, high_a - a[i], b[i] - low_b, high_b - b[i])
            miss += (away / _PER_M) ** 2
        sharpness_m[one] = np.sqrt(miss / num)
    return yaw_rad, sharpness_m


@compiled
def _bound(points_m: Any, start: Any, yaw_rad: Any) -> Any:
    """Least and greatest coordinate of each cluster along both axes; both of them of z; [M, 2]."""
    num = len(yaw_rad)
    low_m, high_m, z_m = np.empty((num, 2)), np.empty((num, 2)), np.empty((num, 2))
    for one in range(num):
        c, s = np.cos(yaw_rad[one]), np.sin(yaw_rad[one])
        low_a, low_b, low_z = np.inf, np.inf, np.inf
        high_a, high_b, high_z = -np.inf, -np.inf, -np.inf
        for i in range(start[one], start[one + 1]):
            x, y, z = points_m[i, 0], points_m[i, 1], points_m[i, 2]
            a, b = c * x + s * y, c * y - s * x
            low_a, high_a = min(low_a, a), max(high_a, a)
            low_b, high_b = min(low_b, b), max(high_b, b)
            low_z, high_z = min(low_z, z), max(high_z, z)
        low_m[one, 0], low_m[one, 1] = low_a, low_b
        high_m[one, 0], high_m[one, 1] = high_a, high_b
        z_m[one, 0], z_m[one, 1] = low_z, high_z
    return low_m, high_m, z_m
