"""Regions that no inward edge can tell from a part of an object, and the object they belong to.

* A region smaller than the arms by which edges are measured is a part of what it touches most.
* The inside of a vessel is a hollow surface behind the vessel's own rim.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.depth.creases import Creases
from perception_stack.depth.grid import Grid
from perception_stack.depth.regions import Borders, find_borders, number

_LEAST_RIM = 3  # links
_REACH = 2.0  # from the middle of a vessel's outside, over its half size
_LEAST_CELLS = 12
_LEAST_BEND_RAD = 1.0  # of a vessel's inside, from one end to the other
_EXPLAINED = 0.7  # of what deviates from a plane; insides have 0.83 and more, heaps 0.5 and less
_SADDLE = 0.25  # of the bend inwards, the most outwards across it


def join_parts(
    region: NDArray[np.int32], creases: Creases, grid: Grid, *, least: int
) -> tuple[NDArray[np.int32], int]:
    """Regions of whole objects, and the number of those left out.

    Args:
        region: int32 [h, w], 0 for none.
        creases: Between the cells.
        grid: The cells.
        least: Regions with fewer cells are left out, unless they are parts of larger ones.

    Returns:
        int32 [h, w], from 1 without gaps, 0 for none.
    """
    region = _join_fragments(region, creases)
    size = np.bincount(region.ravel(), minlength=1)
    small = size < least
    region = number(np.where(small[region], 0, region).astype(np.int32))
    return _join_insides(region, creases, grid), int(small[1:].sum())


def _join_fragments(region: NDArray[np.int32], creases: Creases) -> NDArray[np.int32]:
    while True:
        num = int(region.max(initial=0)) + 1
        size = np.bincount(region.ravel(), minlength=num)
        arms = np.bincount(region.ravel(), weights=creases.arm.ravel(), minlength=num)
        small = size < (arms / np.maximum(size, 1)) ** 2
        borders = find_borders(region, creases)
        touching = borders.smooth + borders.creased
        to = np.arange(num, dtype=np.int32)
        # what is small goes to what it touches most, the smallest first
        for one in np.flatnonzero(small[1:])[np.argsort(size[1:][small[1:]], kind="stable")] + 1:
            rows = np.flatnonzero((borders.pair == one).any(axis=1) & (touching > 0))
            if len(rows):
                pair = borders.pair[rows[np.argmax(touching[rows])]]
                other = int(pair.sum() - one)
                if to[other] != one:
                    to[one] = to[other]
        if (to == np.arange(num)).all():
            return number(region)
        region = to[to][region]


def _join_insides(region: NDArray[np.int32], creases: Creases, grid: Grid) -> NDArray[np.int32]:
    mask = region > 0
    cells = _Cells(region=region[mask], points_m=grid.points_m(mask))
    borders = find_borders(region, creases)
    to = np.arange(cells.num, dtype=np.int32)
    for outside in range(1, cells.num):
        inside = _behind(outside, borders, cells)
        if len(inside) and is_hollow(cells.points_m[np.isin(cells.region, inside)]):
            to[inside] = outside
    while (to[to] != to).any():
        to = to[to]
    return number(to[region])


class _Cells:
    """The cells of all regions, and where those are."""

    def __init__(self, region: NDArray[np.int32], points_m: FloatArray) -> None:
        self.region, self.points_m = region, points_m
        self.num = int(region.max(initial=0)) + 1
        order = np.argsort(region, kind="stable")
        start = np.searchsorted(region[order], np.arange(1, self.num))
        low_m, high_m = np.zeros((self.num, 3)), np.zeros((self.num, 3))
        if self.num > 1:
            low_m[1:] = np.minimum.reduceat(points_m[order], start)
            high_m[1:] = np.maximum.reduceat(points_m[order], start)
        self._middle_m = (low_m + high_m) / 2
        self._radius_m = np.linalg.norm(high_m - low_m, axis=1) / 2

    def near(self, outside: int, inside: int) -> bool:
        """Whether the one may be a part of something not much larger than the other."""
        apart_m = np.linalg.norm(self._middle_m[outside] - self._middle_m[inside])
        return bool(apart_m + self._radius_m[inside] < _REACH * self._radius_m[outside])


def _behind(outside: int, borders: Borders, cells: _Cells) -> NDArray[np.int64]:
    """Regions behind a rim, and those that touch them."""
    found: list[int] = []
    for side in range(2):
        rows = np.flatnonzero(
            (borders.pair[:, side] == outside) & (borders.ahead[:, side] >= _LEAST_RIM)
        )
        found += [
            int(other) for other in borders.pair[rows, 1 - side] if cells.near(outside, int(other))
        ]
    at = 0
    while at < len(found):
        rows = np.flatnonzero(
            (borders.pair == found[at]).any(axis=1) & (borders.smooth + borders.creased > 0)
        )
        for other in (borders.pair[rows].sum(axis=1) - found[at]).tolist():
            if other != outside and other not in found and cells.near(outside, other):
                found.append(other)
        at += 1
    return np.array(found, dtype=np.int64)


def is_hollow(points_m: FloatArray) -> bool:
    """Whether a surface is bent inwards as a whole: a quadratic fitted to its inverse depth.

    Args:
        points_m: float64 [N, 3], in the camera's frame.
    """
    if len(points_m) < _LEAST_CELLS:
        return False
    inverse = 1 / points_m[:, 2]
    x, y = (points_m[:, :2] * inverse[:, None]).T
    x, y = x - x.mean(), y - y.mean()
    terms = np.column_stack([np.ones(len(x)), x, y, x * x / 2, x * y, y * y / 2])
    coefficients, bent = _least_squares(terms, inverse)
    _, level = _least_squares(terms[:, :3], inverse)
    if bent > (1 - _EXPLAINED) * level:
        return False
    c, gx, gy, xx, xy, yy = coefficients
    bends, axes = np.linalg.eigh(np.array([[xx, xy], [xy, yy]]))
    lengths = np.ptp(np.column_stack([x, y]) @ axes, axis=0)
    turned: FloatArray = bends * lengths / c / (1 + (gx**2 + gy**2) / c**2)
    return bool(turned.max() > _LEAST_BEND_RAD and turned.min() > -_SADDLE * turned.max())


def _least_squares(terms: FloatArray, values: FloatArray) -> tuple[FloatArray, float]:
    """Coefficients, and the mean square of what they do not explain."""
    coefficients = np.asarray(np.linalg.lstsq(terms, values, rcond=None)[0])
    return coefficients, float(np.mean((values - terms @ coefficients) ** 2))
