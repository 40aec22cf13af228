"""What the beams beside and below a cluster say: where it may go on unseen, and whether it stands.

A beam just beside a cluster, at a height at which the cluster was seen, either ended on something
nearer, behind which the cluster may go on, or passed by, which shows that it ends there. A beam
that passed below it shows that it hangs in the air: a branch, a sign, the upper part of a wall.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled

_NUM_BINS = 720  # of bearing; half a degree is the widest step of a turning scanner
_BESIDE = 2  # bins
_NEARER_M = 0.3
_FOOT_M = 0.4  # lower than this above the ground a beam may pass under a car or between legs


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was seen around M clusters.

    Attributes:
        hidden: float64 [M, 2], probability that each goes on unseen, towards smaller and towards
            greater bearing.
        stands: float64 [M], probability that it reaches down to the ground.
    """

    hidden: FloatArray
    stands: FloatArray


def look_around(
    xyz_m: NDArray[np.float32],
    cluster_of_point: NDArray[np.int32],
    ground_m: FloatArray,
    *,
    believed_hidden: float,
) -> Sight:
    """Count the beams that were stopped and those that passed.

    Each probability is the mean of a beta distribution, in which what is believed without any
    beam, such as beyond the edge of the view, is worth one beam.

    Args:
        xyz_m: float32 [N, 3], contiguous, the sensor at the origin.
        cluster_of_point: int32 [N], below M; negative for points of no cluster.
        ground_m: float64 [M], z of the ground below each cluster.
        believed_hidden: Probability without any beam that a cluster goes on; that it stands is 1.
    """
    bins, range_m, rise = _take_bearings(xyz_m.reshape(-1))
    own = _outline(bins, range_m, rise, cluster_of_point, len(ground_m))
    start, look, limits = _plan(own, ground_m)
    counts = _count(bins, range_m, rise, cluster_of_point, start, look, limits)
    stopped, passed = counts.T
    believed = np.array([believed_hidden, believed_hidden, 1.0])
    stopped = stopped.reshape(-1, 3) + believed
    share: FloatArray = stopped / (stopped + passed.reshape(-1, 3) + (1 - believed))
    return Sight(hidden=share[:, :2], stands=share[:, 2])


@compiled
def _take_bearings(flat_m: Any) -> Any:
    """The bin of bearing of each beam, -1 where there is none, range and tangent of elevation.

    One beam like the other, without a branch, and x, y, z of all in one row: then several are
    done at a time.
    """
    num = len(flat_m) // 3
    bins = np.empty(num, dtype=np.int16)
    range_m, rise = np.empty((2, num), dtype=np.float32)
    per_quarter, last = np.float32(_NUM_BINS // 4), np.int32(_NUM_BINS - 1)
    for i in range(num):
        x, y, z = flat_m[3 * i], flat_m[3 * i + 1], flat_m[3 * i + 2]
        reach = abs(x) + abs(y)
        # around a diamond instead of a circle: no slower function than a quotient
        around = np.float32(1) - x / reach
        around = np.float32(4) - around if y < 0 else around
        usable = (reach > 0) & (reach < np.float32(1e6)) & (abs(z) < np.float32(1e6))
        here = np.int32(min(np.int32(around * per_quarter), last))
        bins[i] = here if usable else np.int32(-1)
        range_m[i] = np.sqrt(x * x + y * y)
        rise[i] = z / range_m[i]
    return bins, range_m, rise


@compiled
def _outline(bins: Any, range_m: Any, rise: Any, cluster_of_point: Any, num: int) -> Any:
    """The part of the view that each cluster takes.

    The columns of ``own``: bins of the right and the left end relative to the first point's bin,
    that bin, range at both ends, least and greatest tangent of elevation.
    """
    own = np.zeros((num, 7))
    own[:, 2] = -1
    half = _NUM_BINS // 2
    for i in range(len(bins)):
        if cluster_of_point[i] < 0 or bins[i] < 0:
            continue
        one = cluster_of_point[i]
        if own[one, 2] < 0:
            own[one, 2] = bins[i]
            own[one, 3] = own[one, 4] = range_m[i]
            own[one, 5] = own[one, 6] = rise[i]
        turn = bins[i] - int(own[one, 2])
        # the shorter way around
        turn += _NUM_BINS * (int(turn < -half) - int(turn >= half))
        if turn < own[one, 0] or (turn == own[one, 0] and range_m[i] < own[one, 3]):
            own[one, 0], own[one, 3] = turn, range_m[i]
        if turn > own[one, 1] or (turn == own[one, 1] and range_m[i] < own[one, 4]):
            own[one, 1], own[one, 4] = turn, range_m[i]
        own[one, 5], own[one, 6] = min(own[one, 5], rise[i]), max(own[one, 6], rise[i])
    return own


@compiled
def _plan(own: Any, ground_m: Any) -> Any:
    """Where to look at which beams, three looks per cluster: to its right, to its left, below.

    Returns:
        start: int64 [B + 1], bin b has rows ``start[b]`` to ``start[b + 1]`` of ``look``.
        look: int64 [L], the looks that concern a bin; number 3 i + k is look k of cluster i.
        limits: float64 [3 M, 4] of the looks: least and greatest tangent of elevation of the
            beams, range beyond which a beam passed, and below which one on a cluster was stopped.
    """
    num = 3 * len(own)
    limits, first, last = np.empty((num, 4)), np.empty(num), np.empty(num)
    for k in range(num):
        one, kind = k // 3, k % 3
        right, left, lowest = own[one, 0], own[one, 1], own[one, 5]
        if kind < 2:
            end_m = own[one, 3 + kind]
            limits[k] = np.array([lowest, own[one, 6], end_m, end_m - _NEARER_M])
            first[k], last[k] = (
                (right - _BESIDE, right - 1) if kind == 0 else (left + 1, left + _BESIDE)
            )
        else:
            middle_m = 0.5 * (own[one, 3] + own[one, 4])
            least = (ground_m[one] + _FOOT_M) / middle_m
            passed_m = middle_m + _NEARER_M
            limits[k] = np.array([least, np.nextafter(lowest, -np.inf), passed_m, np.inf])
            first[k], last[k] = right, (left if lowest > least else right - 1)
    start = np.zeros(_NUM_BINS + 1, dtype=np.int64)
    for k in range(num):
        for turn in range(int(first[k]), int(last[k]) + 1):
            start[int(own[k // 3, 2] + turn) % _NUM_BINS + 1] += 1
    start = np.cumsum(start)
    fill, look = start[:-1].copy(), np.empty(start[-1], dtype=np.int64)
    for k in range(num):
        for turn in range(int(first[k]), int(last[k]) + 1):
            here = int(own[k // 3, 2] + turn) % _NUM_BINS
            look[fill[here]] = k
            fill[here] += 1
    return start, look, limits


@compiled
def _count(
    bins: Any,
    range_m: Any,
    rise: Any,
    cluster_of_point: Any,
    start: Any,
    look: Any,
    limits: Any,
) -> Any:
    """Of each look, the beams that were stopped and those that passed."""
    counts = np.zeros((len(limits), 2))
    for i in range(len(bins)):
        if bins[i] < 0:
            continue
        here = bins[i]
        on_cluster = cluster_of_point[i] >= 0
        for n in range(start[here], start[here + 1]):
            k = look[n]
            if rise[i] < limits[k, 0] or rise[i] > limits[k, 1]:
                continue
            counts[k, 0] += on_cluster & (range_m[i] < limits[k, 3])
            counts[k, 1] += range_m[i] > limits[k, 2]
    return counts
