"""A depth image as a grid of inverse depths, without flying pixels.

On a plane, inverse depth is a linear function of the ray's direction, and the noise of cameras
that triangulate (structured light, stereo), which grows with the square of depth, is the same
everywhere. So planes, edges and creases are found by linear least squares with one deviation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled

GRAZING = float(np.tan(np.deg2rad(80.0)))
"""No depth is measured on surfaces seen under a larger angle: what looks like one is an edge."""
STEP_NOISES = 5.6
"""Four deviations of a difference of two depths: what is more is no noise."""

_SAME = 0.03  # pixels of a square this much farther than its nearest one are behind it


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """An image of squares of ``cell_px`` pixels; directions are scaled to depth 1.

    Attributes:
        inverse: float64 [h, w], mean inverse depth, 1/m; 0 where there is none.
        x: float64 [h, w], of the ray's direction.
        y: float64 [h, w].
    """

    inverse: FloatArray
    x: FloatArray
    y: FloatArray

    @property
    def pitch(self) -> float:
        """Middle distance of the rays of neighbouring cells, infinite where there are none."""
        both = (self.inverse[:, 1:] > 0) & (self.inverse[:, :-1] > 0)
        apart = np.abs(self.x[:, 1:] - self.x[:, :-1])[both]
        apart = apart[apart > 0]
        return float(np.median(apart)) if len(apart) else np.inf

    def points_m(self, mask: NDArray[np.bool_]) -> FloatArray:
        """Points of some cells, float64 [N, 3], in the camera's frame."""
        depth_m = 1 / self.inverse[mask]
        return np.column_stack([self.x[mask] * depth_m, self.y[mask] * depth_m, depth_m])


def build_grid(
    inverse: NDArray[np.float32],
    rays: NDArray[np.float32],
    *,
    noise: float,
    cell_px: int,
) -> Grid:
    """Mean inverse depth of squares of pixels; of those at an edge, of their near side.

    Args:
        inverse: float32 [H, W], inverse depth, 0 where there is none.
        rays: float32 [H, W, 2], x and y of the rays scaled to depth 1.
        noise: Deviation of an inverse depth, 1/m.
        cell_px: Side of the squares; what is left over at the right and lower border is not used.
    """
    x, y, mean = _average(inverse, rays, STEP_NOISES * noise, cell_px, _SAME)
    return Grid(inverse=mean, x=x, y=y)


def without_flying(
    inverse: NDArray[np.float32], rays: NDArray[np.float32], *, noise: float
) -> tuple[NDArray[np.float32], int]:
    """Inverse depth without the pixels that mix two surfaces, and how many those were.

    A pixel flies between two surfaces when, along its row or column, the one neighbour is nearer
    and the other farther by more than noise and by more than any surface that can be measured
    (seen under 80°) changes from pixel to pixel.

    Args:
        inverse: float32 [H, W], inverse depth, 0 where there is none.
        rays: float32 [H, W, 2].
        noise: Deviation of an inverse depth, 1/m.
    """
    kept, num = _drop_flying(inverse, rays, STEP_NOISES * noise, GRAZING)
    return kept, int(num)


@compiled
def _drop_flying(inverse: Any, rays: Any, step: float, grazing: float) -> Any:
    kept = inverse.copy()
    num = 0
    for i in range(inverse.shape[0]):
        for j in range(inverse.shape[1]):
            here = inverse[i, j]
            if here <= 0:
                continue
            for axis in range(2):
                i0, j0, i1, j1 = i - axis, j - 1 + axis, i + axis, j + 1 - axis
                if i0 < 0 or j0 < 0 or i1 >= inverse.shape[0] or j1 >= inverse.shape[1]:
                    continue
                before, after = inverse[i0, j0], inverse[i1, j1]
                if before <= 0 or after <= 0:
                    continue
                pixel = abs(rays[i1, j1, axis] - rays[i0, j0, axis]) / 2
                limit = max(step, grazing * here * pixel)
                if (
                    min(here - before, after - here) > limit
                    or min(before - here, here - after) > limit
                ):
                    kept[i, j] = 0.0
                    num += 1
                    break
    return kept, num


@compiled
def _average(inverse: Any, rays: Any, step: float, cell: int, same: float) -> Any:
    h, w = inverse.shape[0] // cell, inverse.shape[1] // cell
    x, y, mean = np.zeros((h, w)), np.zeros((h, w)), np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            nearest = 0.0
            for k in range(cell * cell):
                nearest = max(nearest, inverse[i * cell + k // cell, j * cell + k % cell])
            if nearest <= 0:
                continue
            farthest = nearest * (1.0 - same) - step
            num, sum_q, sum_x, sum_y = 0, 0.0, 0.0, 0.0
            for k in range(cell * cell):
                row, col = i * cell + k // cell, j * cell + k % cell
                if inverse[row, col] > max(farthest, 0.0):
                    num += 1
                    sum_q += inverse[row, col]
                    sum_x += rays[row, col, 0]
                    sum_y += rays[row, col, 1]
            mean[i, j], x[i, j], y[i, j] = sum_q / num, sum_x / num, sum_y / num
    return x, y, mean
