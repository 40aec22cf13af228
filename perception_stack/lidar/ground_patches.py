"""How the ground lies around each place: a plane per patch, through what is known of it.

One plane does not describe a street with a ramp, one per patch does. A patch takes in all
directions that cross it, so its plane has the width that tells ground from the foot of a car.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled

_SIDE_M = 6.0  # of a patch; its plane is that of the nine patches around
_FEWEST = 6  # places of known ground, below which there is no plane
_LEVELLING_M2 = 1.0  # a weak belief in ground that runs along the mean plane


@dataclass(frozen=True, slots=True, kw_only=True)
class Patches:
    """How the ground lies, seen from S directions.

    Attributes:
        planes: float64 [U, U, 3], (a, b, c) of z = a x + b y + c by patch, NaN where nothing is
            known around.
        along: Cosine and sine of the directions, float64 [S] each.
        farthest_m: No range is beyond this.
    """

    planes: FloatArray
    along: tuple[FloatArray, FloatArray]
    farthest_m: float

    def at(self, at_m: FloatArray, asked: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Height and slope of the ground at places in each direction.

        Args:
            at_m: float64 [S, R], their ranges.
            asked: bool [S, R], the places that matter.

        Returns:
            Both float64 [S, R], height, and slope outwards; NaN where nothing is known, and not
            set where nobody asked.
        """
        cos, sin = self.along
        around: tuple[FloatArray, FloatArray] = _read(
            self.planes, at_m, asked, cos, sin, self.farthest_m, 1 / _SIDE_M
        )
        return around


def fit_patches(
    lowest_m: FloatArray, at_m: FloatArray, followed: NDArray[np.bool_], farthest_m: float
) -> Patches:
    """Planes through what is known of the ground.

    Args:
        lowest_m: float64 [S, R], height by sector and ring.
        at_m: float64 [S, R], range of that place.
        followed: bool [S, R], which of them are known to be ground.
        farthest_m: No range is beyond this.
    """
    turn = (np.arange(len(lowest_m)) + 0.5) * (2 * np.pi / len(lowest_m)) - np.pi
    cos, sin = np.cos(turn), np.sin(turn)
    # one patch is left free all around
    side = int(2 * farthest_m / _SIDE_M) + 3
    sums = np.zeros((side, side, 10))
    _gather(lowest_m, followed, at_m, cos, sin, farthest_m, 1 / _SIDE_M, sums)
    planes = _fit(sums, _FEWEST, _LEVELLING_M2)
    return Patches(planes=planes, along=(cos, sin), farthest_m=farthest_m)


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
    total, mean = np.empty((side, num)), np.empty(num)
    for u in range(1, side - 1):
        for v in range(side):
            for i in range(num):
                total[v, i] = sums[u - 1, v, i] + sums[u, v, i] + sums[u + 1, v, i]
        for v in range(1, side - 1):
            if total[v - 1, 0] + total[v, 0] + total[v + 1, 0] < fewest:
                continue
            weight = total[v - 1, 1] + total[v, 1] + total[v + 1, 1]
            for i in range(num):
                mean[i] = (total[v - 1, i] + total[v, i] + total[v + 1, i]) / weight
            x, y, z, xx, xy, yy, xz, yz = mean[2:]
            xx, yy = xx - x * x + levelling_m2, yy - y * y + levelling_m2
            xy, xz, yz = xy - x * y, xz - x * z, yz - y * z
            det = xx * yy - xy * xy
            a, b = (xz * yy - yz * xy) / det, (yz * xx - xz * xy) / det
            planes[u, v, 0], planes[u, v, 1], planes[u, v, 2] = a, b, z - a * x - b * y
    return planes


@compiled
def _read(
    planes: Any,
    at_m: Any,
    asked: Any,
    cos: Any,
    sin: Any,
    farthest_m: float,
    per_m: float,
) -> Any:
    """Height and slope of the plane at each place that is asked for; the rest is not set."""
    height_m, climb = np.empty_like(at_m), np.empty_like(at_m)
    for s in range(len(cos)):
        for k in range(at_m.shape[1]):
            if not asked[s, k]:
                continue
            x, y = at_m[s, k] * cos[s], at_m[s, k] * sin[s]
            u, v = int((x + farthest_m) * per_m) + 1, int((y + farthest_m) * per_m) + 1
            height_m[s, k] = planes[u, v, 0] * x + planes[u, v, 1] * y + planes[u, v, 2]
            climb[s, k] = planes[u, v, 0] * cos[s] + planes[u, v, 1] * sin[s]
    return height_m, climb
