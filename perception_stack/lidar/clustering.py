"""Which points belong to one object: columns that stand close together, seen from above.

Seen from above an upright object is dense however sparse the beams are in height, so gaps between
rings do not tear it apart, and the gap allowed can be smaller than a search in space would need.
Each column keeps which of 32 height slices above the ground hold points; what begins high above
the ground (a crown, a sign) hangs over the road and joins nothing.

Columns are linked twice. A tight gap makes pieces; a wide gap joins pieces, since a car falls into
several of them, the closest first, but never a piece that looks like a whole person with another
such piece, with one larger than any vehicle, or with one as large as a car that it towers above:
those are two people, or one beside a wall, a pole or a car. Nor does a scrap between such two join
them.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled
from perception_stack.lidar.columns import Columns
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.linking import join, link, sort_into_cells

NO_CLUSTER = -1
NO_OBSTACLE = -2

_NUM_SLICES = 32
_RING_GAP_M = 0.8  # between rings on one upright face, 64 beams at 80 m
# of the directions within a scan, twice what 10 Hz rotation gives
_TIGHT_M = 0.25
_TIGHT_PER_M = 0.002
# what looks like a whole person: width across, height, and where it begins above the ground
_PERSON_WIDTH_M = (0.2, 1.1)
_PERSON_HEIGHT_M = (1.2, 2.2)
_PERSON_START_M = 0.8
# larger than this is a wall or a pole: across, and height
_STRUCTURE_M = (6.0, 2.5)
_CAR_M = 3.5  # as large as this across is a car, of which no part is higher than
_HIGHER_M = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Groups of points; every point in at most one.

    Attributes:
        num: How many.
        of_point: int32 [N], cluster of each point of the cloud, :data:`NO_CLUSTER` for those that
            stand on the ground without being one, :data:`NO_OBSTACLE` for all others.
        standing: int32 [P], which points stand on the ground, rising.
        ground_m: float64 [num], mean z of the ground below each.
        num_too_small: Groups left out because they had too few points.
    """

    num: int
    of_point: NDArray[np.int32]
    standing: NDArray[np.int32]
    ground_m: FloatArray
    num_too_small: int


def find_clusters(columns: Columns, ground_m: FloatArray, config: LidarDetectorConfig) -> Clusters:
    """Group the points that stand on the ground.

    Args:
        columns: K columns.
        ground_m: float64 [K], z of the ground at each column.
        config: Heights and gaps.
    """
    slice_m = config.max_height_m / _NUM_SLICES
    of_point = np.full(len(columns.xyz_m), NO_OBSTACLE, dtype=np.int32)
    standing, level, bottom, top, mean_xy_m = _stack_slices(
        columns.xyz_m,
        columns.of_point,
        ground_m,
        config.ground_clearance_m,
        slice_m,
        int(np.ceil(_RING_GAP_M / slice_m)),
        int(config.overhang_m / slice_m),
    )
    cells = sort_into_cells(
        top,
        mean_xy_m,
        config.max_range_m,
        # the means of two full columns side by side are one side apart
        max(_TIGHT_M, 1.25 * columns.side_m),
        _TIGHT_PER_M,
        max(config.tolerance_m, 1.25 * columns.side_m),
        max(config.tolerance_per_m, _TIGHT_PER_M),
        config.max_tolerance_m,
    )
    piece, pairs, square_m2 = link(len(columns), *cells)
    tall_m, apart_m = _look(
        piece,
        mean_xy_m,
        bottom * slice_m,
        (top + 1) * slice_m,
        _PERSON_WIDTH_M,
        _PERSON_HEIGHT_M,
        _PERSON_START_M,
        _STRUCTURE_M,
        _CAR_M,
        _HIGHER_M,
    )
    cluster = join(cells[0], piece, pairs, square_m2, tall_m, apart_m)
    standing, below_m, num_too_small = _label(
        standing, level, columns.of_point, ground_m, top, cluster, config.min_points, of_point
    )
    return Clusters(
        num=len(below_m),
        of_point=of_point,
        standing=standing,
        ground_m=below_m,
        num_too_small=num_too_small,
    )


@compiled
def _stack_slices(
    xyz_m: Any,
    column_of_point: Any,
    ground_m: Any,
    clearance_m: float,
    slice_m: float,
    gap: int,
    overhang: int,
) -> Any:
    """What stands on the ground.

    Returns:
        standing: int32 [P], which points are higher than the ground, and not too high.
        level: uint8 [P], slice in which each of them is.
        bottom, top: int32 [K], lowest and highest slice by column, of what does not hang over the
            road; 32 and -1 where there is none.
        mean_xy_m: float64 [K, 2].
    """
    num = len(ground_m)
    per_m = 1 / slice_m
    standing = np.empty(len(xyz_m), dtype=np.int32)
    level = np.empty(len(xyz_m), dtype=np.uint8)
    slices = np.zeros(num, dtype=np.uint32)
    sums = np.zeros((num, 3))
    found = 0
    for i in range(len(xyz_m)):
        if column_of_point[i] < 0:
            continue
        column = column_of_point[i]
        height_m = xyz_m[i, 2] - ground_m[column]
        if height_m < clearance_m or height_m * per_m >= 32:
            continue
        here = int(height_m * per_m)
        standing[found], level[found] = i, here
        found += 1
        slices[column] |= np.uint32(1) << np.uint32(here)
        sums[column, 0] += xyz_m[i, 0]
        sums[column, 1] += xyz_m[i, 1]
        sums[column, 2] += 1
    bottom = np.full(num, 32, dtype=np.int32)
    top = np.full(num, -1, dtype=np.int32)
    mean_xy_m = np.empty((num, 2))
    for column in range(num):
        if slices[column] == 0:
            continue
        mean_xy_m[column, 0] = sums[column, 0] / sums[column, 2]
        mean_xy_m[column, 1] = sums[column, 1] / sums[column, 2]
        reach = overhang
        for here in range(32):
            if here > reach:
                break
            if (slices[column] >> here) & np.uint32(1):
                bottom[column] = min(bottom[column], here)
                top[column] = here
                reach = here + gap
    return standing[:found], level[:found], bottom, top, mean_xy_m


@compiled
def _look(
    piece: Any,
    xy_m: Any,
    bottom_m: Any,
    top_m: Any,
    person_width_m: Any,
    person_height_m: Any,
    person_start_m: float,
    structure_m: Any,
    car_m: float,
    higher_m: float,
) -> Any:
    """Which pieces look like a person, and which a person cannot be a part of.

    Returns, both [K] and indexed by piece, how tall each person is, 0 for all others, and how tall
    a person may be that is a part of this: any for a scrap, none for what is whole itself.
    """
    extent = np.empty((len(piece), 6))
    tall_m = np.zeros(len(piece), dtype=np.float32)
    apart_m = np.full(len(piece), np.inf, dtype=np.float32)
    for column in range(len(piece)):
        one = piece[column]
        if one < 0:
            continue
        x, y, low, high = xy_m[column, 0], xy_m[column, 1], bottom_m[column], top_m[column]
        if one == column:  # a piece is named by its first column
            extent[one, 0] = extent[one, 1] = x
            extent[one, 2] = extent[one, 3] = y
            extent[one, 4], extent[one, 5] = low, high
        extent[one, 0], extent[one, 1] = min(extent[one, 0], x), max(extent[one, 1], x)
        extent[one, 2], extent[one, 3] = min(extent[one, 2], y), max(extent[one, 3], y)
        extent[one, 4], extent[one, 5] = min(extent[one, 4], low), max(extent[one, 5], high)
    for one in range(len(piece)):
        if piece[one] != one:
            continue
        x, y = extent[one, 1] - extent[one, 0], extent[one, 3] - extent[one, 2]
        width = np.sqrt(x * x + y * y)
        low, high = extent[one, 4], extent[one, 5]
        if width > structure_m[0] or high > structure_m[1]:
            apart_m[one] = 0.0
        elif width > car_m:
            apart_m[one] = high + higher_m
        elif (
            person_width_m[0] < width < person_width_m[1]
            and person_height_m[0] < high < person_height_m[1]
            and low < person_start_m
        ):
            tall_m[one], apart_m[one] = high, 0.0
    return tall_m, apart_m


@compiled
def _label(
    standing: Any,
    level: Any,
    column_of_point: Any,
    ground_m: Any,
    top: Any,
    cluster: Any,
    min_points: int,
    of_point: Any,
) -> Any:
    """Hand the clusters of columns to their points and number those that are large enough.

    Writes the cluster of each point to ``of_point``, and returns the points that hang over
    nothing, the mean ground below each cluster, and how many were too small.
    """
    sizes = np.zeros(len(cluster), dtype=np.int32)
    for n in range(len(standing)):
        column = column_of_point[standing[n]]
        if level[n] <= top[column]:
            sizes[cluster[column]] += 1
    number = np.full(len(cluster), NO_CLUSTER, dtype=np.int32)
    num, num_too_small = 0, 0
    for one in range(len(cluster)):
        if sizes[one] >= min_points:
            number[one] = num
            num += 1
        elif sizes[one] > 0:
            num_too_small += 1
    below_m, num_columns = np.zeros(num), np.zeros(num)
    of_column = np.full(len(cluster), NO_CLUSTER, dtype=np.int32)
    for column in range(len(cluster)):
        if cluster[column] >= 0 and number[cluster[column]] >= 0:
            of_column[column] = number[cluster[column]]
            below_m[of_column[column]] += ground_m[column]
            num_columns[of_column[column]] += 1
    kept = 0
    for n in range(len(standing)):
        i = standing[n]
        column = column_of_point[i]
        if level[n] <= top[column]:
            of_point[i] = of_column[column]
            standing[kept] = i
            kept += 1
    return standing[:kept], below_m / num_columns, num_too_small
