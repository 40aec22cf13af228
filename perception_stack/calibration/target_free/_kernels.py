"""What lies nearby in the view of a scan, for all points at once; imported when first used.

Points of the plane, float64 [N] each of x and y, are sorted into square cells, and only the cells
around each are looked at.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import free

Ints = NDArray[np.int64]

_PER_CELL = 4


@free
def into_cells(x: FloatArray, y: FloatArray, size: float) -> tuple[Ints, Ints, int, float, float]:
    """Points by cell.

    Args:
        x: float64 [N], N above zero.
        y: float64 [N].
        size: Of a cell.

    Returns:
        int64 [N], the points sorted; int64 [cells + 1], where those of each cell begin; number of
        columns; x and y of the corner of the first cell.
    """
    left, low = x.min(), y.min()
    columns = int((x.max() - left) / size) + 1
    rows = int((y.max() - low) / size) + 1
    first = np.zeros(rows * columns + 1, dtype=np.int64)
    cell = np.empty(len(x), dtype=np.int64)
    for i in range(len(x)):
        cell[i] = int((y[i] - low) / size) * columns + int((x[i] - left) / size)
        first[cell[i] + 1] += 1
    for c in range(rows * columns):
        first[c + 1] += first[c]
    order = np.empty(len(x), dtype=np.int64)
    end = first[:-1].copy()
    for i in range(len(x)):
        order[end[cell[i]]] = i
        end[cell[i]] += 1
    return order, first, columns, left, low


@free
def nearest(x: FloatArray, y: FloatArray, num: int) -> Ints:
    """The nearest other points of each, nearest first, int64 [N, num]; -1 where there are fewer.

    Rings of cells are looked at about each until none beyond can be nearer.

    Args:
        x: float64 [N], N above zero.
        y: float64 [N].
        num: How many are wanted.
    """
    width, height = x.max() - x.min(), y.max() - y.min()
    size = max(np.sqrt(width * height * _PER_CELL / len(x)), 1e-9)
    # points on a line
    size = max(size, max(width, height) * _PER_CELL / len(x))
    order, first, columns, left, low = into_cells(x, y, size)
    rows = (len(first) - 1) // columns
    near = np.full((len(x), num), -1, dtype=np.int64)
    near2 = np.empty(num)
    for i in range(len(x)):
        dx, dy = x[i] - left, y[i] - low
        column, row = int(dx / size), int(dy / size)
        inset = min(
            dx - column * size, (column + 1) * size - dx, dy - row * size, (row + 1) * size - dy
        )
        found = 0
        for ring in range(max(rows, columns) + 1):
            for r in range(max(row - ring, 0), min(row + ring + 1, rows)):
                # of the rows in between, only both ends
                step = 1 if abs(r - row) == ring else 2 * ring
                for c in range(column - ring, column + ring + 1, step):
                    if c < 0 or c >= columns:
                        continue
                    for k in range(first[r * columns + c], first[r * columns + c + 1]):
                        j = order[k]
                        distance2 = (x[j] - x[i]) ** 2 + (y[j] - y[i]) ** 2
                        if j == i or (found == num and distance2 >= near2[num - 1]):
                            continue
                        place = min(found, num - 1)
                        while place > 0 and near2[place - 1] > distance2:
                            near[i, place], near2[place] = near[i, place - 1], near2[place - 1]
                            place -= 1
                        near[i, place], near2[place] = j, distance2
                        found = min(found + 1, num)
            if found == num and near2[num - 1] <= (inset + ring * size) ** 2:
                break
    return near


@free
def nearest_sides(across: FloatArray, up: FloatArray, near: Ints) -> Ints:
    """Nearest to the left, right, above and below of each, int64 [N, 4]; -1 where none is.

    Args:
        across: float64 [N], rad.
        up: float64 [N].
        near: int64 [N, K], what is nearby; -1 for nothing.
    """
    sides = np.full((len(across), 4), -1, dtype=np.int64)
    best = np.empty(4)
    for i in range(len(across)):
        best[:] = np.inf
        for j in near[i]:
            if j < 0:
                break
            da, du = across[j] - across[i], up[j] - up[i]
            distance = np.hypot(da, du)
            if distance < 1e-6:
                continue
            if abs(da) > 2 * abs(du):
                side = 0 if da > 0 else 1
            elif abs(du) > abs(da):
                side = 2 if du > 0 else 3
            else:
                continue
            if distance < best[side]:
                best[side] = distance
                sides[i, side] = j
    return sides


@free
def fit_lines(
    across: FloatArray,
    up: FloatArray,
    range_m: FloatArray,
    label: Ints,
    radius: float,
    same_depth: float,
) -> tuple[FloatArray, FloatArray]:
    """Lines through what lies within a radius of each and is of its label and depth.

    Returns:
        float64 [N, 2], their normals; float64 [N], in [0, 1], how straight they are.
    """
    order, first, columns, left, low = into_cells(across, up, radius)
    rows = (len(first) - 1) // columns
    num = len(across)
    normal = np.zeros((num, 2))
    straight = np.zeros(num)
    for i in range(num):
        column, row = int((across[i] - left) / radius), int((up[i] - low) / radius)
        count, a, u, aa, au, uu = 0, 0.0, 0.0, 0.0, 0.0, 0.0
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            begin = first[r * columns + max(column - 1, 0)]
            end = first[r * columns + min(column + 1, columns - 1) + 1]
            for k in range(begin, end):
                j = order[k]
                if label[j] != label[i] or abs(range_m[j] - range_m[i]) > same_depth * range_m[i]:
                    continue
                da, du = across[j] - across[i], up[j] - up[i]
                if da * da + du * du > radius * radius:
                    continue
                count += 1
                a += da
                u += du
                aa += da * da
                au += da * du
                uu += du * du
        if count < 4:
            continue
        aa -= a * a / count
        au -= a * u / count
        uu -= u * u / count
        spread = np.sqrt((aa - uu) ** 2 + 4 * au * au)
        straight[i] = 1 - (aa + uu - spread) / max(aa + uu + spread, 1e-15)
        angle = 0.5 * np.arctan2(2 * au, aa - uu)
        normal[i, 0] = -np.sin(angle)
        normal[i, 1] = np.cos(angle)
    return normal, straight
