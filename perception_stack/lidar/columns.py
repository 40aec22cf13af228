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
        index: int32 [S, S], column at each place of the grid, -1 where there is none; the first
            axis is x, the sensor stands in the middle.
        place: int32 [K, 2], where in the grid each column stands.
        lowest_m: float64 [K], z of each column's lowest point.
        of_point: int32 [N], column of each point of the cloud, -1 for those cut off.
        num_non_finite: Points with NaN or infinite coordinates.
    """

    xyz_m: NDArray[np.float32]
    side_m: float
    index: NDArray[np.int32]
    place: NDArray[np.int32]
    lowest_m: FloatArray
    of_point: NDArray[np.int32]
    num_non_finite: int

    def __len__(self) -> int:
        return len(self.place)

    @property
    def xy_m(self) -> FloatArray:
        """Centres, float64 [K, 2], in the sensor's frame."""
        centres: FloatArray = (self.place + 0.5 - self.index.shape[0] // 2) * self.side_m
        return centres


def build_columns(xyz_m: NDArray[np.float32], config: LidarDetectorConfig) -> Columns:
    """Sort points into columns, leaving out what is not finite or outside the crop region.

    Args:
        xyz_m: float32 [N, 3] in the sensor's frame, z up.
        config: Ranges, heights and the column's side.
    """
    # the machine code is made for one layout; messages come read-only or with gaps
    xyz_m = np.require(xyz_m, dtype=np.float32, requirements=["C", "W"])
    half = int(np.ceil(config.max_range_m / config.voxel_m))
    index = np.full((2 * half, 2 * half), -1, dtype=np.int32)
    of_point = np.empty(len(xyz_m), dtype=np.int32)
    place, lowest_m, num_non_finite = _fill(
        xyz_m,
        config.voxel_m,
        config.min_range_m**2,
        config.max_range_m**2,
        config.min_z_m,
        config.max_z_m,
        index,
        of_point,
    )
    return Columns(
        xyz_m=xyz_m,
        side_m=config.voxel_m,
        index=index,
        place=place,
        lowest_m=lowest_m,
        of_point=of_point,
        num_non_finite=num_non_finite,
    )


@compiled
def _fill(
    xyz_m: Any,
    side_m: float,
    min_square: float,
    max_square: float,
    min_z_m: float,
    max_z_m: float,
    index: Any,
    of_point: Any,
) -> Any:
    half = index.shape[0] // 2
    most = min(len(xyz_m), index.size)
    place = np.empty((most, 2), dtype=np.int32)
    lowest_m = np.empty(most, dtype=np.float64)
    num = 0
    num_non_finite = 0
    for i in range(len(xyz_m)):
        of_point[i] = -1
        x, y, z = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        square = x * x + y * y
        if not (np.isfinite(square) and np.isfinite(z)):
            num_non_finite += 1
            continue
        if square < min_square or square >= max_square or z < min_z_m or z > max_z_m:
            continue
        u, v = int(np.floor(x / side_m)) + half, int(np.floor(y / side_m)) + half
        column = index[u, v]
        if column < 0:
            column = num
            index[u, v] = num
            place[num, 0], place[num, 1] = u, v
            lowest_m[num] = z
            num += 1
        elif z < lowest_m[column]:
            lowest_m[column] = z
        of_point[i] = column
    return place[:num].copy(), lowest_m[:num].copy(), num_non_finite
