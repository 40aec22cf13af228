"""Which detection belongs to which track: the cheapest one-to-one choice among sparse pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code

IntArray = NDArray[np.intp]
Pairs = tuple[IntArray, IntArray, FloatArray]
"""Where the pairs of each row start [N + 1], their columns [K] and costs [K]."""
Prices = tuple[FloatArray, FloatArray]
"""Dual values of rows and columns: cost - value - price is never negative."""
Search = tuple[FloatArray, IntArray, NDArray[np.bool_], IntArray]
"""Of each column: length of the way to it, row it came from, whether final; columns touched."""


@machine_code
def _nearest_free(
    start: int, pairs: Pairs, prices: Prices, owner: IntArray, search: Search
) -> tuple[int, int]:
    """Shortest way from a row to a column without owner (Dijkstra).

    Returns:
        The column, and how many columns were touched.
    """
    first, columns, cost = pairs
    value, price = prices
    length, came_from, is_done, touched = search
    blanks = len(price) - len(value)
    num_touched, row, so_far = 0, start, 0.0
    while True:
        for k in range(first[row], first[row + 1] + 1):
            is_pair = k < first[row + 1]
            column, this = (columns[k], cost[k]) if is_pair else (blanks + row, 0.0)
            if is_done[column]:
                continue
            if length[column] == np.inf:
                touched[num_touched] = column
                num_touched += 1
            reduced = so_far + this - value[row] - price[column]
            if reduced < length[column]:
                length[column] = reduced
                came_from[column] = row
        nearest, so_far = -1, np.inf
        for column in touched[:num_touched]:
            if not is_done[column] and length[column] < so_far:
                nearest, so_far = column, length[column]
        is_done[nearest] = True
        if owner[nearest] < 0:
            return nearest, num_touched
        row = owner[nearest]


@machine_code
def cheapest(pairs: Pairs, num_columns: int) -> IntArray:
    """Cheapest one-to-one choice: shortest augmenting paths (Jonker, Volgenant 1987).

    Every row may also stay alone at no cost. A search ends at the first free column, so the work
    is that of the crowds and not of the scene.

    Args:
        pairs: Of N rows.
        num_columns: Number of all columns.

    Returns:
        The column of each row, int [N], -1 for none.
    """
    first, columns, cost = pairs
    num_rows = len(first) - 1
    num_all = num_columns + num_rows  # a blank column for each row, after the true ones
    value, price = np.zeros(num_rows), np.zeros(num_all)
    owner, chosen = np.full(num_all, -1, dtype=np.intp), np.full(num_rows, -1, dtype=np.intp)
    length, is_done = np.full(num_all, np.inf), np.zeros(num_all, dtype=np.bool_)
    came_from, touched = np.empty(num_all, dtype=np.intp), np.empty(num_all, dtype=np.intp)
    search = (length, came_from, is_done, touched)
    for start in range(num_rows):
        for k in range(first[start], first[start + 1]):
            value[start] = min(value[start], cost[k] - price[columns[k]])
        column, num_touched = _nearest_free(start, pairs, (value, price), owner, search)
        shortest = length[column]
        value[start] += shortest
        for other in touched[:num_touched]:
            if is_done[other] and other != column:
                value[owner[other]] += shortest - length[other]
                price[other] -= shortest - length[other]
            is_done[other] = False
        for other in touched[:num_touched]:
            length[other] = np.inf
        row = -1
        while row != start:
            row = came_from[column]
            owner[column] = row
            column, chosen[row] = chosen[row], column
    for n in range(num_rows):
        if chosen[n] >= num_columns:
            chosen[n] = -1
    return chosen


@machine_code
def assign_in_stages(pairs: Pairs, score: FloatArray, strong_score: float) -> IntArray:
    """Strong detections choose first, weak ones among the tracks that are left.

    Within a stage the sum of the costs is least among all assignments; a pair that costs more than
    nothing is none. A weak detection thus never takes a track from a strong one (ByteTrack, Zhang
    et al. 2022).

    Args:
        pairs: Of N tracks with M detections.
        score: float64 [M] of the detections.
        strong_score: From which on one is strong.

    Returns:
        Detection of each track, int [N], -1 for none.
    """
    first, columns, cost = pairs
    chosen = np.full(len(first) - 1, -1, dtype=np.intp)
    start = np.zeros(len(first), dtype=np.intp)
    kept_columns, kept_cost = np.empty_like(columns), np.empty_like(cost)
    for is_strong in (True, False):
        num = 0
        for n in range(len(chosen)):
            if chosen[n] < 0:
                for k in range(first[n], first[n + 1]):
                    if cost[k] < 0 and (score[columns[k]] >= strong_score) == is_strong:
                        kept_columns[num], kept_cost[num] = columns[k], cost[k]
                        num += 1
            start[n + 1] = num
        if num > 0:
            best = cheapest((start, kept_columns[:num], kept_cost[:num]), len(score))
            for n in range(len(chosen)):
                if best[n] >= 0:
                    chosen[n] = best[n]
    return chosen
