"""Where surfaces end and where they fold inwards, between the cells of a depth grid.

Two surfaces of one convex body meet in an outward edge, two bodies in an inward one or in a step
of depth (Stein et al., "Object partitioning using local convexity", CVPR 2014). The fold of each
cell is the angle between the lines fitted to its two sides, along rows, columns and diagonals. The
sides, the *arms*, are as long as the noise asks for, and never reach over a step.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.depth.grid import STEP_NOISES, Grid
from perception_stack.geometry.compiled import compiled

# to the right, down, right and down, left and down
_DOWN = (0, 1, 1, 1)
_RIGHT = (1, 0, 1, -1)
_STEEP = float(np.tan(np.deg2rad(75.0)))
_DEVIATIONS = 3.0  # of a fold's angle, below which it is noise
_SHORTEST, _LONGEST = 3, 20  # arms, in cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Creases:
    """What parts the used cells of a grid.

    Attributes:
        inverse: float64 [h, w], inverse depth, 0 where there is none.
        barred: uint8 [h, w], bit k set where there is no smooth way to the neighbour at the right
            (k = 0), below (1), below to the right (2), below to the left (3).
        fold: float64 [h, w], inward angle over the largest that is still one surface; above 1 is
            a crease, 0 where it folds outwards or is too narrow to tell.
        arm: int64 [h, w], length of the arms that the noise asks for, in cells.
    """

    inverse: FloatArray
    barred: NDArray[np.uint8]
    fold: FloatArray
    arm: NDArray[np.int64]


def find_creases(grid: Grid, used: NDArray[np.bool_], config: DepthDetectorConfig) -> Creases:
    """Steps and folds among some cells of a grid.

    Args:
        grid: The cells.
        used: bool [h, w], those with depth that lie on no support.
        config: Noise and least angle.
    """
    barred = _bar(grid.inverse, grid.x, grid.y, used, STEP_NOISES * config.depth_noise, _STEEP)
    smooth = _smooth(grid.inverse, barred, used)
    arm = _arms(grid, used, config)
    fold = _fold(
        smooth,
        grid.x,
        grid.y,
        used,
        barred,
        arm,
        config.depth_noise,
        config.crease_rad,
        _DEVIATIONS,
        _SHORTEST,
    )
    return Creases(inverse=grid.inverse, barred=barred, fold=fold, arm=arm)


def _arms(grid: Grid, used: NDArray[np.bool_], config: DepthDetectorConfig) -> NDArray[np.int64]:
    """Cells that the arms need for the least angle to be sure, int64 [h, w].

    A line fitted to r cells one apart has a slope of variance 12 σ² / (r³ - r), and two slopes
    are compared.
    """
    arm = np.full(used.shape, _SHORTEST)
    sure = _DEVIATIONS * config.depth_noise / (grid.pitch * grid.inverse[used] * config.crease_rad)
    arm[used] = np.clip(np.ceil(np.cbrt(24 * sure**2)), _SHORTEST, _LONGEST)
    return arm


@compiled
def _bar(inverse: Any, x: Any, y: Any, used: Any, step: float, steep: float) -> Any:
    h, w = inverse.shape
    barred = np.zeros((h, w), dtype=np.uint8)
    for i in range(h):
        for j in range(w):
            for k in range(4):
                ii, jj = i + _DOWN[k], j + _RIGHT[k]
                if not (used[i, j] and ii < h and 0 <= jj < w and used[ii, jj]):
                    barred[i, j] |= 1 << k
                    continue
                apart = np.hypot(x[ii, jj] - x[i, j], y[ii, jj] - y[i, j])
                limit = max(step, steep * max(inverse[i, j], inverse[ii, jj]) * apart)
                if abs(inverse[ii, jj] - inverse[i, j]) > limit:
                    barred[i, j] |= 1 << k
    return barred


@compiled
def _smooth(inverse: Any, barred: Any, used: Any) -> Any:
    """Mean of each cell and its neighbours that no step parts from it."""
    h, w = inverse.shape
    smooth = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            if not used[i, j]:
                continue
            total, num = inverse[i, j], 1
            for k in range(4):
                if not barred[i, j] & (1 << k):
                    total += inverse[i + _DOWN[k], j + _RIGHT[k]]
                    num += 1
                ii, jj = i - _DOWN[k], j - _RIGHT[k]
                if ii >= 0 and 0 <= jj < w and not barred[ii, jj] & (1 << k):
                    total += inverse[ii, jj]
                    num += 1
            smooth[i, j] = total / num
    return smooth


@compiled
def _fold(
    smooth: Any,
    x: Any,
    y: Any,
    used: Any,
    barred: Any,
    arm: Any,
    noise: float,
    crease_rad: float,
    deviations: float,
    shortest: int,
) -> Any:
    """Largest inward angle of each cell over the four directions, by sums along whole lines."""
    h, w = smooth.shape
    fold = np.zeros((h, w))
    rows, cols = np.empty(h + w, dtype=np.int64), np.empty(h + w, dtype=np.int64)
    back, ahead = np.empty(h + w, dtype=np.int64), np.empty(h + w, dtype=np.int64)
    sum0, sum1 = np.zeros(h + w + 1), np.zeros(h + w + 1)
    for k in range(4):
        down, right = _DOWN[k], _RIGHT[k]
        for line in range(h if k == 0 else (w if k == 1 else h + w - 1)):
            i, j = (line, 0) if k == 0 else (0, line)
            if k >= 2 and line >= w:
                i, j = line - w + 1, 0 if k == 2 else w - 1
            n = 0
            while i < h and 0 <= j < w:
                rows[n], cols[n] = i, j
                sum0[n + 1] = sum0[n] + smooth[i, j]
                sum1[n + 1] = sum1[n] + n * smooth[i, j]
                before = n == 0 or barred[rows[n - 1], cols[n - 1]] & (1 << k) != 0
                back[n] = 0 if before else back[n - 1] + 1
                n += 1
                i += down
                j += right
            for m in range(n - 1, -1, -1):
                after = m == n - 1 or barred[rows[m], cols[m]] & (1 << k) != 0
                ahead[m] = 0 if after else ahead[m + 1] + 1
            for m in range(n):
                i, j = rows[m], cols[m]
                if not used[i, j]:
                    continue
                r = min(arm[i, j], back[m], ahead[m])
                if r < shortest:
                    continue
                span_x = (x[rows[m + 1], cols[m + 1]] - x[rows[m - 1], cols[m - 1]]) / 2
                span_y = (y[rows[m + 1], cols[m + 1]] - y[rows[m - 1], cols[m - 1]]) / 2
                span = np.sqrt(span_x**2 + span_y**2)
                spread = r * (r * r - 1) / 12.0 * span
                total = sum0[m + r + 1] - sum0[m + 1]
                after = (sum1[m + r + 1] - sum1[m + 1] - total * (m + (r + 1) / 2.0)) / spread
                total = sum0[m] - sum0[m - r]
                before = (sum1[m] - sum1[m - r] - total * (m - (r + 1) / 2.0)) / spread
                if after <= before:
                    continue
                # the normals of both lines, in the plane of the ray and the line
                here = smooth[i, j]
                foot = (span_x * x[i, j] + span_y * y[i, j]) / span
                rise_after, rise_before = here - after * foot, here - before * foot
                angle = np.arctan2(
                    after * rise_before - before * rise_after,
                    rise_after * rise_before + after * before,
                )
                level = 1 / (1 + min((after / rise_after) ** 2, (before / rise_before) ** 2))
                sigma = np.sqrt(24.0 / r**3) * noise / (span * here) * level
                fold[i, j] = max(fold[i, j], angle / max(crease_rad, deviations * sigma))
    return fold
