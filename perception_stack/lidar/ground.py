"""Height of the ground under every column, on slopes too; the mounting height is found, not given.

First the mean plane near the sensor (RANSAC over the lowest points of the columns), then in each
direction a walk outwards along the lowest points, which follows the ground as long as it does not
rise or fall faster than the ground may (after Himmelsbach et al. 2010). Places that the walk
skipped, such as below a car, are filled in from both sides, and directions that disagree with
their neighbours are outvoted by a median.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled
from perception_stack.lidar.columns import Columns
from perception_stack.lidar.config import LidarDetectorConfig

_NUM_HYPOTHESES = 200
_PLANE_RANGE_M = 30.0
_PLANE_SAMPLE = 1000
_PLANE_TOLERANCE_M = 0.15
_STEEPEST = 0.36  # tan 20°
_NUM_SECTORS = 180
_RING_GROWTH = 1.05
_RING_START_M = 2.0
_LONGEST_GAP_M = 4.0


def ground_height(columns: Columns, plane: FloatArray, config: LidarDetectorConfig) -> FloatArray:
    """Height (z) of the ground at the centre of each column.

    Args:
        columns: At least one.
        plane: Mean plane of the ground, as of :func:`ground_plane`.
        config: How steep and stepped the ground may be.

    Returns:
        float64 [K], in the sensor's frame.
    """
    xy_m = columns.xy_m
    x, y = xy_m.T.astype(np.float32)
    range_m = np.sqrt(x * x + y * y)
    turn = np.arctan2(y, x) / np.float32(2 * np.pi) + np.float32(0.5)
    sector = np.minimum((turn * _NUM_SECTORS).astype(np.int32), _NUM_SECTORS - 1)
    # rings widen outwards; the fraction is kept
    ring = np.log(np.maximum(range_m / _RING_START_M, 1)) / np.float32(np.log(_RING_GROWTH))
    level_m, ground_m = _follow(
        xy_m,
        columns.lowest_m,
        plane,
        range_m,
        sector,
        ring,
        _NUM_SECTORS,
        _RING_START_M * _RING_GROWTH ** (np.arange(int(ring.max()) + 2) + 0.5),
        config.ground_step_m,
        config.max_slope,
        _LONGEST_GAP_M,
    )
    height_m: FloatArray = _vote(level_m, ground_m, sector, ring)
    return height_m


def ground_plane(xy_m: FloatArray, lowest_m: FloatArray) -> FloatArray:
    """The plane that most of the lowest points near the sensor lie on and few lie below.

    Args:
        xy_m: float64 [K, 2], K at least 1.
        lowest_m: float64 [K].

    Returns:
        (a, b, c) of z = a x + b y + c.
    """
    near = np.flatnonzero(xy_m[:, 0] ** 2 + xy_m[:, 1] ** 2 < _PLANE_RANGE_M**2)
    if len(near) < 3:
        return np.array([0.0, 0.0, float(np.median(lowest_m))])
    near = near[:: max(1, len(near) // _PLANE_SAMPLE)]
    # a generator of its own with a fixed seed: the same cloud gives the same plane
    triples = np.random.default_rng(0).integers(len(near), size=(_NUM_HYPOTHESES, 3))
    best = np.array([0.0, 0.0, np.median(lowest_m[near])])
    args = (xy_m[near], lowest_m[near], _PLANE_TOLERANCE_M)
    plane: FloatArray = _refine(*args, _find_plane(*args, triples, _STEEPEST, best))
    return plane


@compiled
def _find_plane(
    xy_m: Any, z_m: Any, tolerance_m: float, triples: Any, steepest: float, plane: Any
) -> Any:
    """The best of the planes through three points, and of the given one."""
    most = -len(z_m) - 1
    # side by side in single precision, so that several are compared at a time
    xs, ys, zs = np.empty((3, len(z_m)), dtype=np.float32)
    xs[:], ys[:], zs[:] = xy_m[:, 0], xy_m[:, 1], z_m
    high, low = np.float32(tolerance_m), np.float32(-2 * tolerance_m)
    for h in range(len(triples)):
        i, j, k = triples[h]
        x1, y1, z1 = xy_m[j, 0] - xy_m[i, 0], xy_m[j, 1] - xy_m[i, 1], z_m[j] - z_m[i]
        x2, y2, z2 = xy_m[k, 0] - xy_m[i, 0], xy_m[k, 1] - xy_m[i, 1], z_m[k] - z_m[i]
        det = x1 * y2 - x2 * y1
        if abs(det) < 1.0:  # a thin triangle says nothing of the slope across it
            continue
        a, b = (z1 * y2 - z2 * y1) / det, (x1 * z2 - x2 * z1) / det
        if a * a + b * b > steepest * steepest:
            continue
        c = z_m[i] - a * xy_m[i, 0] - b * xy_m[i, 1]
        a32, b32, c32 = np.float32(a), np.float32(b), np.float32(c)
        score = 0
        for n in range(len(zs)):
            above = zs[n] - a32 * xs[n] - b32 * ys[n] - c32
            score += int(above < high) - 2 * int(above < low)
        if score > most:
            most = score
            plane = np.array([a, b, c])
    return plane


@compiled
def _refine(xy_m: Any, z_m: Any, tolerance_m: float, plane: Any) -> Any:
    """Least squares over the points near the plane, three times."""
    a, b, c = plane
    for _ in range(3):
        # a weak belief in a level ground decides where the points do not
        xx, xy, yy, x1, y1, ones = 1.0, 0.0, 1.0, 0.0, 0.0, 1e-6
        xz, yz, z1 = 0.0, 0.0, 1e-6 * c
        for n in range(len(z_m)):
            x, y, z = xy_m[n, 0], xy_m[n, 1], z_m[n]
            if abs(z - a * x - b * y - c) < tolerance_m:
                xx, xy, yy = xx + x * x, xy + x * y, yy + y * y
                x1, y1, ones = x1 + x, y1 + y, ones + 1
                xz, yz, z1 = xz + x * z, yz + y * z, z1 + z
        # c by itself, then the two slopes
        xx, xy, yy = xx - x1 * x1 / ones, xy - x1 * y1 / ones, yy - y1 * y1 / ones
        xz, yz = xz - x1 * z1 / ones, yz - y1 * z1 / ones
        det = xx * yy - xy * xy
        a, b = (xz * yy - yz * xy) / det, (yz * xx - xz * xy) / det
        c = (z1 - a * x1 - b * y1) / ones
    return np.array([a, b, c])


@compiled
def _follow(
    xy_m: Any,
    z_m: Any,
    plane: Any,
    range_m: Any,
    sector: Any,
    ring: Any,
    num_sectors: int,
    middle_m: Any,
    step_m: float,
    slope: float,
    longest_gap_m: float,
) -> Any:
    """The mean plane at each column, and the ground above it at the middle of each ring."""
    num_rings = len(middle_m)
    ground_m = np.zeros((num_sectors, num_rings))
    lowest_m = np.full((num_sectors, num_rings), np.inf)
    at_m = np.zeros((num_sectors, num_rings))
    level_m = np.empty(len(z_m))
    for i in range(len(z_m)):
        level_m[i] = plane[0] * xy_m[i, 0] + plane[1] * xy_m[i, 1] + plane[2]
        s, k = sector[i], int(ring[i])
        if z_m[i] - level_m[i] < lowest_m[s, k]:
            lowest_m[s, k] = z_m[i] - level_m[i]
            at_m[s, k] = range_m[i]
    for s in range(num_sectors):
        last, last_m, last_k = 0.0, 0.0, 0
        for k in range(num_rings):
            allowed_m = step_m + slope * min(at_m[s, k] - last_m, longest_gap_m)
            if not abs(lowest_m[s, k] - last) <= allowed_m:  # also where there is none
                continue
            # a lowest point may lie anywhere in its ring, the ring's ground is that of its middle
            rise = (lowest_m[s, k] - last) / (at_m[s, k] - last_m)
            for between in range(last_k, k + 1):
                if between > last_k or middle_m[between] > last_m:
                    along_m = min(max(middle_m[between], last_m), at_m[s, k]) - last_m
                    ground_m[s, between] = last + rise * along_m
            last, last_m, last_k = lowest_m[s, k], at_m[s, k], k
        ground_m[s, last_k + 1 :] = last
    return level_m, ground_m


@compiled
def _vote(level_m: Any, ground_m: Any, sector: Any, ring: Any) -> Any:
    """Median of five neighbouring sectors, taken between rings at the place of each column."""
    num_sectors, num_rings = ground_m.shape
    voted_m = np.empty_like(ground_m)
    for s in range(num_sectors):
        a, b = ground_m[s - 2], ground_m[s - 1]
        c, d = ground_m[(s + 1) % num_sectors], ground_m[(s + 2) % num_sectors]
        for k in range(num_rings):
            # the median of five is that of these three, which leave out a greatest and a least
            low = max(min(a[k], b[k]), min(c[k], d[k]))
            high = min(max(a[k], b[k]), max(c[k], d[k]))
            middle = ground_m[s, k]
            voted_m[s, k] = max(min(low, high), min(max(low, high), middle))
    height_m = np.empty(len(ring))
    for i in range(len(ring)):
        position = max(ring[i] - 0.5, 0.0)
        k = int(position)
        part = position - k
        s = sector[i]
        height_m[i] = level_m[i] + (1 - part) * voted_m[s, k] + part * voted_m[s, k + 1]
    return height_m
