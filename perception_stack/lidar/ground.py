"""Height of the ground under every column, on slopes too; the mounting height is found, not given.

From the mean plane on, in each direction a walk outwards along the lowest points follows the
ground as long as it does not rise or fall faster than the ground may (after Himmelsbach et al.
2010). The ground so found is described by a plane per patch, by which the next walk knows how the
ground goes on, and reaches what stands alone but level with the ground around it. What no walk
reaches behind a car is ground if it is level with the ground on both sides. Places in between are
filled in, and directions that disagree with their neighbours are outvoted by a median.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled
from perception_stack.lidar.columns import Columns
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.ground_patches import fit_patches
from perception_stack.lidar.ground_walk import follow

_NUM_SECTORS = 180
_RING_GROWTH = 1.05
_RING_START_M = 2.0
_NUM_FURTHER_WALKS = 2
_SHADOW_SECTORS = 8  # to each side; a car 10 m away takes 12


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
    x, y = np.ascontiguousarray(xy_m.T, dtype=np.float32)
    range_m = np.sqrt(x * x + y * y)
    turn = np.arctan2(y, x) / np.float32(2 * np.pi) + np.float32(0.5)
    sector = np.minimum((turn * _NUM_SECTORS).astype(np.int32), _NUM_SECTORS - 1)
    # rings widen outwards; the fraction is kept
    ring = np.log(np.maximum(range_m / _RING_START_M, 1)) / np.float32(np.log(_RING_GROWTH))
    level_m, lowest_m, at_m = _drain(
        xy_m,
        columns.lowest_m,
        plane,
        range_m,
        sector,
        ring,
        np.full((_NUM_SECTORS, int(ring.max()) + 2), np.inf),
    )
    middle_m = _RING_START_M * _RING_GROWTH ** (np.arange(lowest_m.shape[1]) + 0.5)
    step_m = config.ground_step_m
    steepness = {"step_m": step_m, "max_slope": config.max_slope}
    unknown = np.full(lowest_m.shape, np.nan)
    followed = follow(lowest_m, at_m, (unknown, unknown), **steepness)
    seen = lowest_m < np.inf
    for _ in range(_NUM_FURTHER_WALKS):
        patches = fit_patches(lowest_m, at_m, followed, config.max_range_m)
        followed = follow(lowest_m, at_m, patches.at(at_m, seen), **steepness)
    last = _last(followed)
    beyond = np.arange(len(middle_m)) > last[:, None]
    places_m = np.tile(np.minimum(middle_m, config.max_range_m), (_NUM_SECTORS, 1))
    beyond_m, _ = patches.at(places_m, beyond)
    ground_m = np.zeros(lowest_m.shape)
    known = (lowest_m, at_m, followed, middle_m, beyond_m)
    _fill(*known, np.arange(_NUM_SECTORS), ground_m)
    _follow_into_shadows(
        lowest_m, at_m, middle_m, ground_m, last, step_m, _SHADOW_SECTORS, followed
    )
    farther = _last(followed)
    _fill(*known, np.flatnonzero(farther > last), ground_m)
    height_m: FloatArray = _vote(level_m, ground_m, farther, sector, ring)
    return height_m


@compiled
def _last(followed: Any) -> Any:
    """Last ring of each sector up to which the ground is known, -1 where it nowhere is."""
    num_sectors, num_rings = followed.shape
    last = np.full(num_sectors, -1)
    for s in range(num_sectors):
        for k in range(num_rings):
            if followed[s, k]:
                last[s] = k
    return last


@compiled
def _drain(
    xy_m: Any, z_m: Any, plane: Any, range_m: Any, sector: Any, ring: Any, lowest_m: Any
) -> Any:
    """The mean plane at each column; above it the lowest point by sector and ring, and its range.

    ``lowest_m`` comes in full of infinity, which stays where there is no point.
    """
    level_m, at_m = np.empty(len(z_m)), np.zeros_like(lowest_m)
    for i in range(len(z_m)):
        level_m[i] = plane[0] * xy_m[i, 0] + plane[1] * xy_m[i, 1] + plane[2]
        s, k = sector[i], int(ring[i])
        if z_m[i] - level_m[i] < lowest_m[s, k]:
            lowest_m[s, k] = z_m[i] - level_m[i]
            at_m[s, k] = range_m[i]
    return level_m, lowest_m, at_m


@compiled
def _follow_into_shadows(
    lowest_m: Any,
    at_m: Any,
    middle_m: Any,
    ground_m: Any,
    last: Any,
    step_m: float,
    most_sectors: int,
    followed: Any,
) -> None:
    """Take for ground what is as high as the ground on both sides.

    Behind a car the ground is hidden for so long that it may have become anything meanwhile. The
    sectors beside it go on where the walk in this one has ended.
    """
    num_sectors, num_rings = lowest_m.shape
    for s in range(num_sectors):
        for k in range(last[s] + 1, num_rings):
            if lowest_m[s, k] == np.inf:
                continue
            beside_m, num = 0.0, 0
            # between the middles of two rings, as near as the point is to each
            j = k if at_m[s, k] < middle_m[k] else min(k + 1, num_rings - 1)
            part = (at_m[s, k] - middle_m[j - 1]) / (middle_m[j] - middle_m[j - 1])
            for way in (-1, 1):
                for away in range(1, most_sectors + 1):
                    other = (s + way * away) % num_sectors
                    if last[other] >= k:
                        beside_m += (1 - part) * ground_m[other, j - 1] + part * ground_m[other, j]
                        num += 1
                        break
            followed[s, k] = num == 2 and abs(lowest_m[s, k] - beside_m / 2) <= step_m


@compiled
def _fill(
    lowest_m: Any,
    at_m: Any,
    followed: Any,
    middle_m: Any,
    beyond_m: Any,
    sectors: Any,
    ground_m: Any,
) -> None:
    """Write the ground above the mean plane at the middle of each ring, for some sectors.

    Beyond what is known it lies as the patches say, or else as it did last.
    """
    num_rings = len(middle_m)
    for s in sectors:
        last, last_m, last_k = 0.0, 0.0, 0
        for k in range(num_rings):
            if not followed[s, k]:
                continue
            # a lowest point may lie anywhere in its ring, the ring's ground is that of its middle
            rise = (lowest_m[s, k] - last) / (at_m[s, k] - last_m)
            for between in range(last_k, k + 1):
                if between > last_k or middle_m[between] > last_m:
                    along_m = min(max(middle_m[between], last_m), at_m[s, k]) - last_m
                    ground_m[s, between] = last + rise * along_m
            last, last_m, last_k = lowest_m[s, k], at_m[s, k], k
        for k in range(last_k + 1, num_rings):
            ground_m[s, k] = last if np.isnan(beyond_m[s, k]) else beyond_m[s, k]


@compiled
def _vote(level_m: Any, ground_m: Any, last: Any, sector: Any, ring: Any) -> Any:
    """Median of five neighbouring sectors, taken between rings at the place of each column.

    No ground is above what is seen: a neighbour that knows the ground less far does not vote
    against a lower one.
    """
    num_sectors, num_rings = ground_m.shape
    voted_m = np.empty_like(ground_m)
    votes = np.empty((5, num_rings))
    for s in range(num_sectors):
        for d in range(5):
            other = (s + d - 2) % num_sectors
            votes[d] = ground_m[other]
            for k in range(last[other] + 1, last[s] + 1):
                votes[d, k] = min(votes[d, k], ground_m[s, k])
        a, b, middle, c, e = votes
        for k in range(num_rings):
            # the median of five is that of these three, which leave out a greatest and a least
            low = max(min(a[k], b[k]), min(c[k], e[k]))
            high = min(max(a[k], b[k]), max(c[k], e[k]))
            voted_m[s, k] = max(min(low, high), min(max(low, high), middle[k]))
    height_m = np.empty(len(ring))
    for i in range(len(ring)):
        position = max(ring[i] - 0.5, 0.0)
        k = int(position)
        part = position - k
        s = sector[i]
        height_m[i] = level_m[i] + (1 - part) * voted_m[s, k] + part * voted_m[s, k + 1]
    return height_m
