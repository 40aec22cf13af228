"""A scan as pillars, on the CPU: which points stand in each, and how each point is described.

Compiled loops over the points; :mod:`perception_stack.pillars.pillarize_torch` gives the same on a
GPU. Sums are in 32 bits and in the order of the points, like those of published code, so that a
point on a border falls on the same side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.geometry.compiled import compiled
from perception_stack.pillars.spec import POINT_FEATURES, Grid

Pillars = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Features float32 [P, M, F], zero where a pillar has fewer points; cells int64 [P], row times
the number of columns plus column, rows along y."""


def pillarize(xyz_m: NDArray[np.float32], intensity: NDArray[np.float32], grid: Grid) -> Pillars:
    """Pillars in the order of their first point.

    Points that are not finite or outside of the range are left out.

    Args:
        xyz_m: float32 [N, 3], in the model's frame.
        intensity: float32 [N]; anything where the grid does not ask for it.
        grid: Sizes and limits.
    """
    xyz_m = np.ascontiguousarray(xyz_m)
    range_m = np.array(grid.range_m, dtype=np.float32)
    pillar_m = np.array(grid.pillar_m, dtype=np.float32)
    size = np.array([*grid.num_xy, grid.max_pillars], dtype=np.int64)
    of_point, cells, num_points = _assign(xyz_m, range_m, pillar_m, size)
    slot, mean_m = _select(xyz_m, of_point, num_points, grid.max_points, grid.pick == "even")
    columns = np.array([POINT_FEATURES.index(one) for one in grid.features], dtype=np.int64)
    intensity = np.ascontiguousarray(intensity) * np.float32(grid.intensity_scale)
    features = np.zeros((len(cells), grid.max_points, len(columns)), dtype=np.float32)
    middle_m = _middle_m(cells, grid, range_m, pillar_m)
    _describe(xyz_m, intensity, of_point, slot, mean_m, middle_m, columns, features)
    return features, cells


def _middle_m(
    cells: NDArray[np.int64],
    grid: Grid,
    range_m: NDArray[np.float32],
    pillar_m: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Centre of each pillar, float32 [P, 3]."""
    half = np.float32(0.5)
    row, column = np.divmod(cells, grid.num_xy[0])
    middle_m = np.empty((len(cells), 3), dtype=np.float32)
    for axis, index in enumerate((column, row)):
        offset_m = pillar_m[axis] * half + range_m[axis]
        middle_m[:, axis] = index.astype(np.float32) * pillar_m[axis] + offset_m
    middle_m[:, 2] = (range_m[2] + range_m[5]) * half
    return middle_m


@compiled
def _assign(xyz_m: Any, range_m: Any, pillar_m: Any, size: Any) -> Any:
    """Pillar of each point, -1 for none; cell and number of points of each pillar."""
    num_x, num_y, most = size
    of_cell = np.full(num_x * num_y, -1, dtype=np.int64)
    of_point = np.full(len(xyz_m), -1, dtype=np.int64)
    cells = np.empty(min(most, num_x * num_y), dtype=np.int64)
    num_points = np.zeros(len(cells), dtype=np.int64)
    num = 0
    for i in range(len(xyz_m)):
        x = np.floor((xyz_m[i, 0] - range_m[0]) / pillar_m[0])
        y = np.floor((xyz_m[i, 1] - range_m[1]) / pillar_m[1])
        # written so that NaN is left out
        inside = x >= 0 and x < num_x and y >= 0 and y < num_y
        if not (inside and xyz_m[i, 2] >= range_m[2] and xyz_m[i, 2] < range_m[5]):
            continue
        cell = np.int64(y) * num_x + np.int64(x)
        if of_cell[cell] < 0:
            if num == len(cells):
                continue
            of_cell[cell], cells[num] = num, cell
            num += 1
        of_point[i] = of_cell[cell]
        num_points[of_cell[cell]] += 1
    return of_point, cells[:num].copy(), num_points[:num].copy()


@compiled
def _select(xyz_m: Any, of_point: Any, num_points: Any, most: Any, even: Any) -> Any:
    """Place of each point within its pillar, -1 for those left out; mean of those kept."""
    slot = np.full(len(xyz_m), -1, dtype=np.int64)
    seen, filled = np.zeros_like(num_points), np.zeros_like(num_points)
    mean_m = np.zeros((len(num_points), 3), dtype=np.float32)
    for i in range(len(xyz_m)):
        pillar = of_point[i]
        if pillar < 0:
            continue
        rank, num = seen[pillar], num_points[pillar]
        seen[pillar] += 1
        if even and num > most:
            kept = (rank + 1) * most // num > rank * most // num
        else:
            kept = rank < most
        if kept:
            slot[i] = filled[pillar]
            filled[pillar] += 1
            for axis in range(3):
                mean_m[pillar, axis] += xyz_m[i, axis]
    for pillar in range(len(num_points)):
        for axis in range(3):
            mean_m[pillar, axis] /= filled[pillar]
    return slot, mean_m


@compiled
def _describe(  # noqa: PLR0917
    xyz_m: Any,
    intensity: Any,
    of_point: Any,
    slot: Any,
    mean_m: Any,
    middle_m: Any,
    columns: Any,
    features: Any,
) -> None:
    """Write the chosen columns of every kept point."""
    values = np.zeros(11, dtype=np.float32)
    for i in range(len(xyz_m)):
        if slot[i] < 0:
            continue
        pillar = of_point[i]
        values[3] = intensity[i]
        for axis in range(3):
            values[axis] = xyz_m[i, axis]
            values[5 + axis] = xyz_m[i, axis] - mean_m[pillar, axis]
            values[8 + axis] = xyz_m[i, axis] - middle_m[pillar, axis]
        for k in range(len(columns)):
            features[pillar, slot[i], k] = values[columns[k]]
