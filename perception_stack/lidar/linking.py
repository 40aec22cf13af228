"""Joins columns, or groups of them, that stand close together, seen from above.

Columns are sorted by place once, so that the neighbours of one are found row by row of the grid in
a few short runs, where a look into every cell around it would mostly find nothing.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.geometry.compiled import compiled


@compiled
def sort_by_place(place: Any, top: Any, side: int) -> Any:
    """Columns of which something stands, by row of the grid and along each row.

    Those of row u are ``order[start[u]]`` to ``order[start[u + 1] - 1]``.
    """
    standing = np.flatnonzero(top >= 0)
    order = np.empty_like(standing)
    start = np.zeros(side + 1, dtype=np.int64)
    # counting sort, by the minor key first
    for axis in (1, 0):
        start[:] = 0
        for column in standing:
            start[place[column, axis] + 1] += 1
        start = np.cumsum(start)
        fill = start.copy()
        for column in standing:
            order[fill[place[column, axis]]] = column
            fill[place[column, axis]] += 1
        standing, order = order, standing
    return standing, start


@compiled
def link(
    order: Any,
    start: Any,
    place: Any,
    side_m: float,
    mean_xy_m: Any,
    group: Any,
    looks: Any,
    base_m: float,
    per_m: float,
    most_m: float,
) -> Any:
    """Join groups of columns that come close to each other, but no person to what is whole itself.

    Args:
        order: int64 [S], columns by place, those that have a group.
        start: int64 [R + 1], where in ``order`` each row of the grid begins.
        place: int32 [K, 2], where in the grid each column stands.
        side_m: Length of a column's side.
        mean_xy_m: float64 [K, 2], mean position in each column.
        group: int32 [K], the group of each column, named by one of its members; -1 for none.
        looks: int8 [K], indexed by group, more than 0 for what is whole itself: 1 for a person.
        base_m: Gap allowed at the sensor.
        per_m: Growth of that gap per metre of range.
        most_m: Widest gap at any range.

    Returns:
        int32 [K], the joined group of each column, named by the least of the groups; -1 where
        ``group`` is.
    """
    parent = np.arange(len(place))

    def root_of(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    # in one piece, since each is looked at many times
    xy_m, along, of = mean_xy_m[order], place[order, 1], group[order]
    side, farthest = len(start) - 1, int(most_m / side_m) + 1
    for u in range(side):
        # of each row within reach, the first column that may be near
        first = start[u : u + farthest + 1].copy()
        for here in range(start[u], start[u + 1]):
            x, y, a = xy_m[here, 0], xy_m[here, 1], of[here]
            # another column may be as much farther away as the gap is wide
            widest_m = min(base_m + per_m * (np.sqrt(x * x + y * y) + most_m), most_m)
            reach = int(widest_m / side_m) + 1
            for row in range(min(reach + 1, side - u)):
                end = start[u + row + 1]
                while first[row] < end and along[first[row]] < along[here] - farthest:
                    first[row] += 1
                # each pair once
                for other in range(here + 1 if row == 0 else first[row], end):
                    if along[other] > along[here] + reach:
                        break
                    b = of[other]
                    dx, dy = xy_m[other, 0] - x, xy_m[other, 1] - y
                    square = dx * dx + dy * dy
                    if a == b or square > widest_m * widest_m:
                        continue
                    mx, my = xy_m[other, 0] + x, xy_m[other, 1] + y
                    allowed_m = min(base_m + per_m * 0.5 * np.sqrt(mx * mx + my * my), most_m)
                    both_whole = looks[a] > 0 and looks[b] > 0 and looks[a] + looks[b] < 4
                    if square > allowed_m * allowed_m or both_whole:
                        continue
                    c, d = root_of(a), root_of(b)
                    parent[max(c, d)] = min(c, d)
    joined = np.full(len(place), -1, dtype=np.int32)
    for column in order:
        joined[column] = root_of(group[column])
    return joined
