"""How the ground lies around each place: a plane per patch, through what is known of it.

One plane does not describe a street with a ramp, one per patch does. A patch takes in all
directions that cross it, so its plane has the width that tells ground from the foot of a car.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled

_SIDE_M = 6.0  # of a patch; its plane is that of the nine patches around
_FEWEST = 6  # places of known ground, below which there is no plane
_LEVELLING_M2 = 1.0  # a weak belief in ground that runs along the mean plane


def ground_around(
    lowest_m: FloatArray, at_m: FloatArray, followed: NDArray[np.bool_], farthest_m: float
) -> tuple[FloatArray, FloatArray]:
    """Height and slope of the ground at the lowest points, by the ground around.

    Args:
        lowest_m: float64 [S, R], height by sector and ring, infinite where there is no point.
        at_m: float64 [S, R], range of that point.
        followed: bool [S, R], which of them are known to be ground.
        farthest_m: No range is beyond this.

    Returns:
        Both float64 [S, R], height, and slope outwards; NaN where nothing is known around, and
        not set where there is no point.
    """
    turn = (np.arange(len(lowest_m)) + 0.5) * (2 * np.pi / len(lowest_m)) - np.pi
    # one patch is left free all around
    side = int(2 * farthest_m / _SIDE_M) + 3
    places = (at_m, np.cos(turn), np.sin(turn), farthest_m, 1 / _SIDE_M)
    sums = np.zeros((side, side, 10))
    _gather(lowest_m, followed, *places, sums)
    planes = _fit(sums, _FEWEST, _LEVELLING_M2)
    around: tuple[FloatArray, FloatArray] = _read(planes, lowest_m, *places)
    return around


@compiled
def _gather(
    lowest_m: Any,
    followed: Any,
    at_m: Any,
    cos: Any,
    sin: Any,
    farthest_m: float,
    per_m: float,
    sums: Any,
) -> None:
    """Add up by patch: number, weight, and weighted x, y, z, xx, xy, yy, xz, yz."""
    for s in range(len(cos)):
        for k in range(lowest_m.shape[1]):
            if not followed[s, k]:
                continue
            x, y, z = at_m[s, k] * cos[s], at_m[s, k] * sin[s], lowest_m[s, k]
            patch = sums[int((x + farthest_m) * per_m) + 1, int((y + farthest_m) * per_m) + 1]
            # places are the farther apart the farther away they are
            weight = at_m[s, k]
            patch[0] += 1
            patch[1] += weight
            patch[2] += weight * x
            patch[3] += weight * y
            patch[4] += weight * z
            patch[5] += weight * x * x
            patch[6] += weight * x * y
            patch[7] += weight * y * y
            patch[8] += weight * x * z
            patch[9] += weight * y * z


@compiled
def _fit(sums: Any, fewest: int, levelling_m2: float) -> Any:
    """(a, b, c) of z = a x + b y + c by patch, by least squares; NaN where too little is known."""
    side, _, num = sums.shape
    planes = np.full((side, side, 3), np.nan)
    total = np.empty((side, num))
    for u in range(1, side - 1):
        for v in range(side):
            for i in range(num):
                total[v, i] = sums[u - 1, v, i] + sums[u, v, i] + sums[u + 1, v, i]
        for v in range(1, side - 1):
            if total[v - 1, 0] + total[v, 0] + total[v + 1, 0] < fewest:
                continue
            weight = total[v - 1, 1] + total[v, 1] + total[v + 1, 1]
            x, y, z, xx, xy, yy, xz, yz = [
                (total[v - 1, i] + total[v, i] + total[v + 1, i]) / weight for i in range(2, num)
            ]
            xx, yy = xx - x * x + levelling_m2, yy - y * y + levelling_m2
            xy, xz, yz = xy - x * y, xz - x * z, yz - y * z
            det = xx * yy - xy * xy
            a, b = (xz * yy - yz * xy) / det, (yz * xx - xz * xy) / det
            planes[u, v, 0], planes[u, v, 1], planes[u, v, 2] = a, b, z - a * x - b * y
    return planes


@compiled
def _read(
    planes: Any,
    lowest_m: Any,
    at_m: Any,
    cos: Any,
    sin: Any,
    farthest_m: float,
    per_m: float,
) -> Any:
    """Height and slope of the plane at each lowest point; the rest is not set."""
    expected_m, climb = np.empty_like(at_m), np.empty_like(at_m)
    for s in range(len(cos)):
        for k in range(lowest_m.shape[1]):
            if lowest_m[s, k] == np.inf:
                continue
            x, y = at_m[s, k] * cos[s], at_m[s, k] * sin[s]
            u, v = int((x + farthest_m) * per_m) + 1, int((y + farthest_m) * per_m) + 1
            expected_m[s, k] = planes[u, v, 0] * x + planes[u, v, 1] * y + planes[u, v, 2]
            climb[s, k] = planes[u, v, 0] * cos[s] + planes[u, v, 1] * sin[s]
    return expected_m, climb
