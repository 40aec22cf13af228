"""Cropping and thinning: every point falls into one upright column of a flat grid.

Later steps work on the columns, of which there are far fewer than points, and look neighbours up
by index where a search tree would be asked once per point.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled
from perception_stack.lidar.config import LidarDetectorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """K columns that hold points, in the order in which they were first hit.

    Attributes:
        xyz_m: float32 [N, 3], the cloud, contiguous.
        side_m: Length of a column's side.
        xy_m: float64 [K, 2], the columns' centres, in the sensor's frame.
        lowest_m: float64 [K], z of each column's lowest point.
        of_point: int32 [N], column of each point of the cloud, -1 for those cut off.
        num_non_finite: Points with NaN or infinite coordinates.
        num_cropped: Points outside of the crop region.
    """

    xyz_m: NDArray[np.float32]
    side_m: float
    xy_m: FloatArray
    lowest_m: FloatArray
    of_point: NDArray[np.int32]
    num_non_finite: int
    num_cropped: int

    def __len__(self) -> int:
        return len(self.xy_m)


def build_columns(xyz_m: NDArray[np.float32], config: LidarDetectorConfig) -> Columns:
    """Sort points into columns, leaving out what is not finite or outside the crop region.

    Args:
        xyz_m: float32 [N, 3] in the sensor's frame, z up.
        config: Ranges, heights and the column's side.
    """
    # the machine code is made for one layout; messages come read-only or with gaps
    xyz_m = np.require(xyz_m, dtype=np.float32, requirements=["C", "W"])
    # one to spare, since single precision may round a place up
    half = int(np.ceil(config.max_range_m / config.voxel_m)) + 1
    cell = np.empty(len(xyz_m), dtype=np.int32)
    _find_cells(
        xyz_m.reshape(-1),
        np.float32(1 / config.voxel_m),
        half,
        np.float32(config.min_range_m**2),
        np.float32(config.max_range_m**2),
        np.float32(config.min_z_m),
        np.float32(config.max_z_m),
        cell,
    )
    cut = np.flatnonzero(cell < 0)
    num_cropped = int(np.count_nonzero(np.isfinite(xyz_m[cut]).all(axis=1)))
    xy_m, lowest_m = _gather(xyz_m, half, config.voxel_m, cell)
    return Columns(
        xyz_m=xyz_m,
        side_m=config.voxel_m,
        xy_m=xy_m,
        lowest_m=lowest_m,
        of_point=cell,
        num_non_finite=len(cut) - num_cropped,
        num_cropped=num_cropped,
    )


@compiled
def _find_cells(
    flat_m: Any,
    per_m: Any,
    half: int,
    min_square: Any,
    max_square: Any,
    min_z_m: Any,
    max_z_m: Any,
    cell: Any,
) -> None:
    """Write each point's place in the grid, row by row, -1 for those cut off.

    In single precision, one point like the other, and x, y, z of all in one row: then several are
    done at a time.
    """
    middle, side = np.float32(half), np.int32(2 * half)
    for i in range(len(cell)):
        x, y, z = flat_m[3 * i], flat_m[3 * i + 1], flat_m[3 * i + 2]
        square = x * x + y * y
        used = (square >= min_square) & (square < max_square) & (z >= min_z_m) & (z <= max_z_m)
        here = np.int32(x * per_m + middle) * side + np.int32(y * per_m + middle)
        cell[i] = np.int32(here) if used else np.int32(-1)


@compiled
def _gather(xyz_m: Any, half: int, side_m: float, cell: Any) -> Any:
    """Centre and lowest z of the columns, in the order in which they are hit.

    ``cell``, the place of each point, then holds the columns.
    """
    side = np.int32(2 * half)
    index = np.full(side * side, -1, dtype=np.int32)
    most = min(len(cell), len(index))
    hit, lowest_m = np.empty(most, dtype=np.int32), np.empty(most)
    num = 0
    for i in range(len(cell)):
        if cell[i] < 0:
            continue
        # unsigned, or indices from the end would be provided for
        here = np.uint64(cell[i])
        column, z = index[here], xyz_m[i, 2]
        if column < 0:
            column = np.int32(num)
            index[here] = column
            hit[num], lowest_m[num] = here, z
            num += 1
        lowest_m[np.uint64(column)] = min(lowest_m[np.uint64(column)], z)
        cell[i] = column
    xy_m = np.empty((num, 2))
    for column in range(num):
        # a product is much faster than a quotient, and half a cell away from being wrong
        u = np.int32((hit[column] + 0.5) * (1 / side))
        xy_m[column, 0] = (u + 0.5 - half) * side_m
        xy_m[column, 1] = (hit[column] - u * side + 0.5 - half) * side_m
    return xy_m, lowest_m[:num].copy()
