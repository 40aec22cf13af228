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
    level_m = xy_m @ plane[:2] + plane[2]
    range_m, sector, ring = _polar(xy_m, _NUM_SECTORS, _RING_START_M, np.log(_RING_GROWTH))
    residual_m = _follow(
        columns.lowest_m - level_m,
        range_m,
        sector,
        ring,
        _NUM_SECTORS,
        _RING_START_M * _RING_GROWTH ** (np.arange(int(ring.max()) + 2) + 0.5),
        config.ground_step_m,
        config.max_slope,
        _LONGEST_GAP_M,
    )
    height: FloatArray = level_m + _vote(residual_m, sector, ring)
    return height


def ground_plane(xy_m: FloatArray, lowest_m: FloatArray) -> FloatArray:
    """The plane that most of the lowest points near the sensor lie on and few lie below.

    Args:
        xy_m: float64 [K, 2], K at least 1.
        lowest_m: float64 [K].

    Returns:
        (a, b, c) of z = a x + b y + c.
    """
    near = np.flatnonzero(np.einsum("ij,ij->i", xy_m, xy_m) < _PLANE_RANGE_M**2)
    if len(near) < 3:
        return np.array([0.0, 0.0, float(np.median(lowest_m))])
    near = near[:: max(1, len(near) // _PLANE_SAMPLE)]
    ones = np.ones(len(near))
    points = np.column_stack([xy_m[near], ones])
    z_m = lowest_m[near]
    # a generator of its own with a fixed seed: the same cloud gives the same plane
    triples = np.random.default_rng(0).integers(len(near), size=(_NUM_HYPOTHESES, 3))
    plane = np.array(_best_plane(points, z_m, triples, _PLANE_TOLERANCE_M, _STEEPEST))
    for _ in range(3):
        fits = np.abs(z_m - points @ plane) < _PLANE_TOLERANCE_M
        # a weak belief in a level ground decides where the points do not
        weak = np.diag([1.0, 1.0, 1e-6])
        normal = points[fits].T @ points[fits] + weak
        plane = np.linalg.solve(normal, points[fits].T @ z_m[fits] + weak @ [0, 0, plane[2]])
    return plane


@compiled
def _best_plane(points: Any, z_m: Any, triples: Any, tolerance_m: float, steepest: float) -> Any:
    best, best_a, best_b, best_c = -len(z_m) - 1, 0.0, 0.0, np.median(z_m)
    for h in range(len(triples)):
        i, j, k = triples[h]
        x1, y1, z1 = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1], z_m[j] - z_m[i]
        x2, y2, z2 = points[k, 0] - points[i, 0], points[k, 1] - points[i, 1], z_m[k] - z_m[i]
        det = x1 * y2 - x2 * y1
        if abs(det) < 1.0:  # a thin triangle says nothing of the slope across it
            continue
        a, b = (z1 * y2 - z2 * y1) / det, (x1 * z2 - x2 * z1) / det
        if a * a + b * b > steepest * steepest:
            continue
        c = z_m[i] - a * points[i, 0] - b * points[i, 1]
        score = 0
        for n in range(len(z_m)):
            above = z_m[n] - a * points[n, 0] - b * points[n, 1] - c
            if above < -2 * tolerance_m:
                score -= 1
            elif above < tolerance_m:
                score += 1
        if score > best:
            best, best_a, best_b, best_c = score, a, b, c
    return best_a, best_b, best_c


@compiled
def _polar(xy_m: Any, num_sectors: int, start_m: float, log_growth: float) -> Any:
    """Range, sector and ring of each column; rings widen outwards, the fraction is kept."""
    range_m = np.empty(len(xy_m))
    sector = np.empty(len(xy_m), dtype=np.int32)
    ring = np.empty(len(xy_m))
    for i in range(len(xy_m)):
        x, y = xy_m[i, 0], xy_m[i, 1]
        range_m[i] = np.sqrt(x * x + y * y)
        turn = np.arctan2(y, x) / (2 * np.pi) + 0.5
        sector[i] = min(int(turn * num_sectors), num_sectors - 1)
        ring[i] = np.log(max(range_m[i], start_m) / start_m) / log_growth
    return range_m, sector, ring


@compiled
def _follow(
    residual_m: Any,
    range_m: Any,
    sector: Any,
    ring: Any,
    num_sectors: int,
    middle_m: Any,
    step_m: float,
    slope: float,
    longest_gap_m: float,
) -> Any:
    """Ground above the mean plane at the middle of each ring, by sector."""
    num_rings = len(middle_m)
    ground_m = np.zeros((num_sectors, num_rings))
    lowest_m = np.full((num_sectors, num_rings), np.inf)
    at_m = np.zeros((num_sectors, num_rings))
    for i in range(len(residual_m)):
        s, k = sector[i], int(ring[i])
        if residual_m[i] < lowest_m[s, k]:
            lowest_m[s, k] = residual_m[i]
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
    return ground_m


@compiled
def _vote(ground_m: Any, sector: Any, ring: Any) -> Any:
    """Median of five neighbouring sectors, taken between rings at the place of each column."""
    num_sectors, num_rings = ground_m.shape
    voted_m = np.empty_like(ground_m)
    around = np.empty(5)
    for s in range(num_sectors):
        for k in range(num_rings):
            for d in range(5):  # sorted in, one by one
                value = ground_m[(s + d - 2) % num_sectors, k]
                place = d
                while place > 0 and around[place - 1] > value:
                    around[place] = around[place - 1]
                    place -= 1
                around[place] = value
            voted_m[s, k] = around[2]
    result_m = np.empty(len(ring))
    for i in range(len(ring)):
        position = max(ring[i] - 0.5, 0.0)
        k = int(position)
        part = position - k
        result_m[i] = (1 - part) * voted_m[sector[i], k] + part * voted_m[sector[i], k + 1]
    return result_m
