"""What a detector could see: a thing hidden or out of view is not missed when not detected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_array
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.config import Row
from perception_stack.tracking.space.tracks import TrackTable
from perception_stack.tracking.space.turns import write_axes

NOWHERE: FloatArray = np.full(8, np.nan)
"""As :attr:`Sight.numbers`, where nobody knows from where a detector looked."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """From where a detector looked at one stamp, how far around, and what for.

    Attributes:
        origin_m: float64 [3], the sensor in the fixed frame.
        ahead: float64 [3], unit, the middle of the field of view in the fixed frame.
        half_angle_rad: Half opening of the cone that is the field of view; pi sees all round.
        range_m: How far it sees.
        classes: What it knows; it cannot miss what it does not know. Empty: everything.
    """

    origin_m: FloatArray
    ahead: FloatArray
    half_angle_rad: float = np.pi
    range_m: float = np.inf
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_array("origin_m", self.origin_m, np.float64, 3)
        check_array("ahead", self.ahead, np.float64, 3)

    @property
    def numbers(self) -> FloatArray:
        """What compiled loops take: origin, direction, cosine of the half angle, range: [8]."""
        numbers = np.empty(8)
        numbers[:3], numbers[3:6] = self.origin_m, self.ahead
        numbers[6], numbers[7] = np.cos(self.half_angle_rad), self.range_m
        return numbers

    def knows(self, vocabulary: tuple[str, ...]) -> FloatArray:
        """1 for each class that it knows, 0 for the others, float64 [V]."""
        return np.array([float(not self.classes or name in self.classes) for name in vocabulary])


@machine_code
def _is_met(
    start_m: FloatArray,
    way_m: FloatArray,
    center_m: FloatArray,
    axes: FloatArray,
    half_m: FloatArray,
) -> bool:
    """Whether a way meets a box before its end, by its three pairs of planes."""
    enter, leave = 0.0, 1.0
    for k in range(3):
        offset, slope = 0.0, 0.0
        for i in range(3):
            offset += axes[i, k] * (start_m[i] - center_m[i])
            slope += axes[i, k] * way_m[i]
        if abs(slope) < 1e-12:
            if abs(offset) > half_m[k]:
                return False
            continue
        near, far = (-half_m[k] - offset) / slope, (half_m[k] - offset) / slope
        enter, leave = max(enter, min(near, far)), min(leave, max(near, far))
    return enter < leave


@machine_code
def _cone(t: Row, origin_m: FloatArray, axis: FloatArray) -> tuple[float, float]:
    """Write the direction of a box; returns its distance and the angle around that holds it."""
    distance2, radius2 = 0.0, 0.0
    for i in range(3):
        axis[i] = t.center_m[i] - origin_m[i]
        distance2 += axis[i] ** 2
        radius2 += 0.25 * t.size_lwh_m[i] ** 2
    distance_m = np.sqrt(distance2)
    for i in range(3):
        axis[i] /= max(distance_m, 1e-9)
    if radius2 >= distance2:
        return distance_m, np.pi
    return distance_m, np.arcsin(np.sqrt(radius2 / distance2))


@machine_code
def _share(
    n: int, tracks: TrackTable, axes: FloatArray, hiding: NDArray[np.intp], sight: FloatArray
) -> float:
    """Share of the points of one box that are in view and not behind others."""
    center, size, num_seen, way = tracks[n].center_m, tracks[n].size_lwh_m, 0, np.empty(3)
    for corner in range(9):
        along, length2 = 0.0, 0.0
        for i in range(3):
            way[i] = center[i] - sight[i]
            for k in range(3):
                if corner < 8:
                    sign = 1.0 if corner & (1 << k) else -1.0
                    way[i] += 0.25 * sign * size[k] * axes[n, i, k]
            along += way[i] * sight[3 + i]
            length2 += way[i] ** 2
        is_seen = along >= sight[6] * np.sqrt(length2) and length2 <= sight[7] ** 2
        for m in hiding:
            if is_seen:
                is_seen = not _is_met(
                    sight[:3], way, tracks[m].center_m, axes[m], 0.5 * tracks[m].size_lwh_m
                )
        if is_seen:
            num_seen += 1
    return num_seen / 9.0


@machine_code
def write_seen_share(
    tracks: TrackTable,
    unseen: NDArray[np.bool_],
    sight: FloatArray,
    share: FloatArray,
    p: Row,
) -> None:
    """Write how much of some boxes is in view and not behind a listed one.

    Nine points stand for a box: its centre and those half-way to its corners. A point is hidden
    when the ray to it meets another box first.

    Args:
        tracks: N boxes.
        unseen: bool [N], of which ones to tell.
        sight: float64 [8], origin, direction ahead, cosine of the half angle, range.
        share: float64 [N], written where asked for.
        p: Parameters.
    """
    num = len(tracks)
    axes, ahead, hiding = np.empty((num, 3, 3)), np.empty((num, 3)), np.empty(num, dtype=np.intp)
    distance_m, angle, hides = np.empty(num), np.empty(num), np.empty(num, dtype=np.bool_)
    for n in range(num):
        t = tracks[n]
        hides[n] = t.confirmed and t.log_odds >= p.list_log_odds
        if unseen[n] or hides[n]:
            write_axes(t.quat_xyzw, axes[n])
            distance_m[n], angle[n] = _cone(t, sight[:3], ahead[n])
    for n in range(num):
        if not unseen[n]:
            continue
        num_hiding = 0
        for m in range(num):
            # only what may be nearer and is in the same direction
            if (
                m == n
                or not hides[m]
                or distance_m[m] > distance_m[n] + np.max(tracks[m].size_lwh_m)
            ):
                continue
            cosine = 0.0
            for i in range(3):
                cosine += ahead[n, i] * ahead[m, i]
            if angle[n] + angle[m] >= np.pi or cosine >= np.cos(angle[n] + angle[m]):
                hiding[num_hiding] = m
                num_hiding += 1
        share[n] = _share(n, tracks, axes, hiding[:num_hiding], sight)
