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
    range_m, rise, on_cluster, start, own = _sort_by_bearing(
        xyz_m, cluster_of_point, len(ground_m), _NUM_BINS
    )
    hidden = _look_beside(
        range_m, rise, on_cluster, start, own, believed_hidden, _BESIDE, _NEARER_M
    )
    stands = _look_below(range_m, rise, on_cluster, start, own, ground_m, _FOOT_M, _NEARER_M)
    return Sight(hidden=hidden, stands=stands)


@compiled
def _sort_by_bearing(xyz_m: Any, cluster_of_point: Any, num: int, num_bins: int) -> Any:
    """The beams by bin of bearing, and the part of the view that each cluster takes.

    Of each beam the range, the tangent of its elevation, and whether it ended on a cluster. The
    columns of ``own``: bins of the right and the left end relative to the first point's bin,
    that bin, range at both ends, least and greatest tangent of elevation.
    """
    bins = np.full(len(xyz_m), -1, dtype=np.int32)
    start = np.zeros(num_bins + 1, dtype=np.int32)
    own = np.zeros((num, 7))
    own[:, 2] = -1
    half = num_bins // 2
    for i in range(len(xyz_m)):
        x, y, z = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        reach = abs(x) + abs(y)
        if not (reach > 0 and reach < 1e6 and abs(z) < 1e6):
            continue
        # around a diamond instead of a circle: no slower function than a quotient
        around = 1.0 - x / reach
        if y < 0:
            around = 4.0 - around
        here = min(int(around * 0.25 * num_bins), num_bins - 1)
        bins[i] = here
        start[here + 1] += 1
        one = cluster_of_point[i]
        if one < 0:
            continue
        range_m = np.sqrt(x * x + y * y)
        rise = z / range_m
        if own[one, 2] < 0:
            own[one, 2] = here
            own[one, 3] = own[one, 4] = range_m
            own[one, 5] = own[one, 6] = rise
        turn = (here - int(own[one, 2]) + half) % num_bins - half
        if turn < own[one, 0] or (turn == own[one, 0] and range_m < own[one, 3]):
            own[one, 0], own[one, 3] = turn, range_m
        if turn > own[one, 1] or (turn == own[one, 1] and range_m < own[one, 4]):
            own[one, 1], own[one, 4] = turn, range_m
        own[one, 5], own[one, 6] = min(own[one, 5], rise), max(own[one, 6], rise)
    start = np.cumsum(start)
    fill = start[:-1].copy()
    range_m_of = np.empty(start[-1], dtype=np.float32)
    rise_of = np.empty(start[-1], dtype=np.float32)
    on_cluster = np.empty(start[-1], dtype=np.bool_)
    for i in range(len(xyz_m)):
        if bins[i] < 0:
            continue
        k = fill[bins[i]]
        fill[bins[i]] += 1
        x, y = xyz_m[i, 0], xyz_m[i, 1]
        range_m_of[k] = np.sqrt(x * x + y * y)
        rise_of[k] = xyz_m[i, 2] / range_m_of[k]
        on_cluster[k] = cluster_of_point[i] >= 0
    return range_m_of, rise_of, on_cluster, start, own


@compiled
def _look_beside(
    range_m: Any,
    rise: Any,
    on_cluster: Any,
    start: Any,
    own: Any,
    believed: float,
    beside: int,
    nearer_m: float,
) -> Any:
    num_bins = len(start) - 1
    hidden = np.empty((len(own), 2))
    for one in range(len(own)):
        low, high = own[one, 5], own[one, 6]
        for end in range(2):
            end_m = own[one, 3 + end]
            stopped, passed = believed, 1.0 - believed
            for step in range(1, beside + 1):
                away = step if end == 1 else -step
                here = int(own[one, 2] + own[one, end] + away) % num_bins
                for k in range(start[here], start[here + 1]):
                    if not low <= rise[k] <= high:
                        continue
                    if range_m[k] > end_m:
                        passed += 1.0
                    elif range_m[k] < end_m - nearer_m and on_cluster[k]:
                        stopped += 1.0
            hidden[one, end] = stopped / (stopped + passed)
    return hidden


@compiled
def _look_below(
    range_m: Any,
    rise: Any,
    on_cluster: Any,
    start: Any,
    own: Any,
    ground_m: Any,
    foot_m: float,
    nearer_m: float,
) -> Any:
    num_bins = len(start) - 1
    stands = np.ones(len(own))
    for one in range(len(own)):
        middle_m = 0.5 * (own[one, 3] + own[one, 4])
        least = (ground_m[one] + foot_m) / middle_m
        if own[one, 5] <= least:
            continue
        stopped, passed = 1.0, 0.0
        for turn in range(int(own[one, 0]), int(own[one, 1]) + 1):
            here = int(own[one, 2] + turn) % num_bins
            for k in range(start[here], start[here + 1]):
                if not least <= rise[k] < own[one, 5]:
                    continue
                if range_m[k] > middle_m + nearer_m:
                    passed += 1.0
                elif on_cluster[k]:
                    stopped += 1.0
        stands[one] = stopped / (stopped + passed)
    return stands
