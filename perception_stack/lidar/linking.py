"""Joins columns, or groups of them, that stand close together, seen from above.

Columns are sorted into square cells as wide as the widest gap, row by row: whatever may be near
one of them then lies in two runs, the rest of its own row up to the next cell, and three cells of
the next row. That is done once, for the tight gap and for the wide one.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.geometry.compiled import compiled


@compiled
def sort_into_cells(
    top: Any,
    mean_xy_m: Any,
    farthest_m: float,
    tight_m: float,
    tight_per_m: float,
    wide_m: float,
    wide_per_m: float,
    most_m: float,
) -> Any:
    """The columns in which something stands, sorted by cell.

    Args:
        top: int32 [K], negative where nothing stands.
        mean_xy_m: float64 [K, 2], mean position in each column.
        farthest_m: No coordinate is beyond this.
        tight_m: Tight gap at the sensor.
        tight_per_m: Its growth per metre of range.
        wide_m: Wide gap at the sensor, not below the tight one.
        wide_per_m: Its growth, not below that of the tight one.
        most_m: Widest gap at any range.

    Returns:
        order: int32 [S], the columns.
        cell: int32 [S], cell of each.
        end: int32 [C], place in ``order`` behind the last column of each cell.
        side: Cells in a row.
        table: float32 [4, S], x, y, half the tight gap and half the wide one. The gap between two
            columns is the mean of what is allowed at both.
    """
    standing = np.flatnonzero(top >= 0)
    num = len(standing)
    gaps = np.empty((num, 2))
    widest_m = 0.0
    for n in range(num):
        x, y = mean_xy_m[standing[n], 0], mean_xy_m[standing[n], 1]
        range_m = np.sqrt(x * x + y * y)
        gaps[n, 0] = min(tight_m + tight_per_m * range_m, most_m)
        gaps[n, 1] = min(wide_m + wide_per_m * range_m, most_m)
        widest_m = max(widest_m, gaps[n, 1])
    widest_m = max(widest_m, wide_m)
    side = int(2 * farthest_m / widest_m) + 4
    cell_of = np.empty(num, dtype=np.int32)
    end = np.zeros(side * side, dtype=np.int32)
    for n in range(num):
        x, y = mean_xy_m[standing[n], 0] + farthest_m, mean_xy_m[standing[n], 1] + farthest_m
        # one cell is left free all around
        cell_of[n] = (int(x / widest_m) + 1) * side + int(y / widest_m) + 1
        end[cell_of[n] + 1] += 1
    end = np.cumsum(end).astype(np.int32)
    order, cell = np.empty(num, dtype=np.int32), np.empty(num, dtype=np.int32)
    table = np.empty((4, num), dtype=np.float32)
    for n in range(num):
        here = end[cell_of[n]]
        end[cell_of[n]] += 1
        order[here], cell[here] = standing[n], cell_of[n]
        table[0, here], table[1, here] = mean_xy_m[standing[n], 0], mean_xy_m[standing[n], 1]
        table[2, here], table[3, here] = 0.5 * gaps[n, 0], 0.5 * gaps[n, 1]
    return order, cell, end, side, table


@compiled
def link(num_columns: int, order: Any, cell: Any, end: Any, side: int, table: Any) -> Any:
    """Join columns that come tightly close to each other into pieces; find those that come close.

    Args:
        num_columns: K, of all columns.
        order: As the four others of :func:`sort_into_cells`.
        cell: See there.
        end: See there.
        side: See there.
        table: See there.

    Returns:
        piece: int32 [K], what each column is joined to, named by one of its columns; -1 where
            nothing stands.
        pairs: int32 [P, 2], pieces with no more than the wide gap between a column of each.
        square_m2: float32 [P], that gap, squared.
    """
    num_close, num_near = 0, 0
    # both columns of a pair in one number
    close = np.empty(4 * len(order) + 64, dtype=np.int64)
    near = np.empty(8 * len(order) + 64, dtype=np.int64)
    x_m, y_m, tight_m, wide_m = table
    for here in range(len(order)):
        x, y, tight, wide = x_m[here], y_m[here], tight_m[here], wide_m[here]
        for row in range(2):
            below = cell[here] + row * side
            first = here + 1 if row == 0 else end[below - 2]
            most = end[below + 1] - first
            if num_close + most > len(close):
                close = np.concatenate((close, np.empty(num_close + most, dtype=np.int64)))
            if num_near + most > len(near):
                near = np.concatenate((near, np.empty(num_near + most, dtype=np.int64)))
            for other in range(first, first + most):
                dx, dy = x_m[other] - x, y_m[other] - y
                square = dx * dx + dy * dy
                tight_both, wide_both = tight + tight_m[other], wide + wide_m[other]
                is_close = square <= tight_both * tight_both
                is_near = square <= wide_both * wide_both
                # written in any case: what comes of it is hard to foresee for the processor
                pair = (here << 32) | np.int64(other)
                close[num_close] = pair
                num_close += is_close
                near[num_near] = pair
                num_near += is_near & (not is_close)
    parent = np.arange(num_columns).astype(np.int32)
    for n in range(num_close):
        a, b = order[close[n] >> 32], order[close[n] & 0xFFFFFFFF]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        parent[max(a, b)] = min(a, b)
    piece = np.full(num_columns, -1, dtype=np.int32)
    for column in order:
        one = parent[column]
        while parent[one] != one:
            one = parent[one]
        piece[column] = one
    pairs, square_m2 = np.empty((num_near, 2), dtype=np.int32), np.empty(num_near, np.float32)
    num = 0
    for n in range(num_near):
        i, j = near[n] >> 32, near[n] & 0xFFFFFFFF
        a, b = piece[order[i]], piece[order[j]]
        if a == b:
            continue
        dx, dy = x_m[i] - x_m[j], y_m[i] - y_m[j]
        pairs[num, 0], pairs[num, 1], square_m2[num] = a, b, dx * dx + dy * dy
        num += 1
    return piece, pairs[:num], square_m2[:num]


def join(
    order: NDArray[np.int32],
    piece: NDArray[np.int32],
    pairs: NDArray[np.int32],
    square_m2: NDArray[np.float32],
    tall_m: NDArray[np.float32],
    apart_m: NDArray[np.float32],
) -> NDArray[np.int32]:
    """Join the pieces that come close to each other, the closest first, but nothing to a person.

    What is whole itself, such as another person or a wall, joins no person, and no group of pieces
    that holds one: a scrap between two people goes to the nearer one and does not join them.

    Args:
        order: int32 [S], the columns that have a piece.
        piece: int32 [K], as :func:`link` names them.
        pairs: int32 [P, 2], pieces that come close.
        square_m2: float32 [P], how close, squared.
        tall_m: float32 [K], indexed by piece, how tall it is if it looks like a person, else 0.
        apart_m: float32 [K], indexed by piece, a person taller than this is no part of it.

    Returns:
        int32 [K], the cluster of each column, named by the least of its pieces; -1 for none.
    """
    closest_first = np.argsort(square_m2)
    cluster: NDArray[np.int32] = _join(order, piece, pairs, closest_first, tall_m, apart_m)
    return cluster


@compiled
def _join(
    order: Any, piece: Any, pairs: Any, closest_first: Any, tall_m: Any, apart_m: Any
) -> Any:
    parent = np.arange(len(piece)).astype(np.int32)
    # of whole groups
    tall_m, apart_m = tall_m.copy(), apart_m.copy()
    for n in closest_first:
        a, b = pairs[n, 0], pairs[n, 1]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a == b or tall_m[a] > apart_m[b] or tall_m[b] > apart_m[a]:
            continue
        a, b = min(a, b), max(a, b)
        parent[b] = a
        tall_m[a], apart_m[a] = max(tall_m[a], tall_m[b]), min(apart_m[a], apart_m[b])
    cluster = np.full(len(piece), -1, dtype=np.int32)
    for column in order:
        one = piece[column]
        while parent[one] != one:
            one = parent[one]
        cluster[column] = one
    return cluster
