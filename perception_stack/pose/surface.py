"""Points with normals, evenly spread over a surface, and the search for the nearest of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

_CELL_SPACINGS = 0.5
_MARGIN_SPACINGS = 6.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Surface:
    """Evenly spread points of a surface.

    Attributes:
        points_m: float64 [N, 3].
        normals: float64 [N, 3], unit, outward.
        spacing_m: Distance of neighbouring points.
    """

    points_m: FloatArray
    normals: FloatArray
    spacing_m: float

    def __len__(self) -> int:
        return len(self.points_m)

    def nearest(self, queries_m: FloatArray) -> NDArray[np.intp]:
        """Rows of the points nearest to queries [..., 3], int64 [...]."""
        index: NDArray[np.intp] = self._tree.query(queries_m)[1]
        return index

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(self.points_m)

    def thinned(self, spacing_m: float) -> GriddedSurface:
        """Fewer points of it, for very many queries."""
        kept = thinned(self.points_m, spacing_m)
        return GriddedSurface(
            points_m=self.points_m[kept], normals=self.normals[kept], spacing_m=spacing_m
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class GriddedSurface(Surface):
    """A surface whose nearest points are looked up in a grid of cells, a hundred times faster.

    The answer is exact at the middle of a cell and at most a cell off elsewhere; outside of the
    grid it is that of its border.
    """

    def nearest(self, queries_m: FloatArray) -> NDArray[np.intp]:
        """Rows of the points nearest to queries [..., 3], int64 [...]."""
        low_m, cell_m, shape, index = self._grid
        cells = np.clip((queries_m - low_m) / cell_m, 0, shape - 1).astype(np.intp)
        found: NDArray[np.intp] = index[
            (cells[..., 0] * shape[1] + cells[..., 1]) * shape[2] + cells[..., 2]
        ]
        return found

    @cached_property
    def _grid(self) -> tuple[FloatArray, float, NDArray[np.intp], NDArray[np.intp]]:
        """Lowest corner, side of a cell, cells along each axis, nearest row of each cell."""
        cell_m = _CELL_SPACINGS * self.spacing_m
        margin_m = _MARGIN_SPACINGS * self.spacing_m
        low_m = self.points_m.min(axis=0) - margin_m
        extent_m = self.points_m.max(axis=0) + margin_m - low_m
        shape = np.ceil(extent_m / cell_m).astype(np.intp)
        cells = np.indices(shape).reshape(3, -1).T
        index = super().nearest(low_m + (cells + 0.5) * cell_m)
        return low_m, cell_m, shape, index


def thinned(points_m: FloatArray, spacing_m: float) -> NDArray[np.intp]:
    """One point of each cubic cell, the first in order, by rising index."""
    return np.sort(np.unique(_cells(points_m, spacing_m), return_index=True)[1])


def thinned_means(points_m: FloatArray, spacing_m: float) -> FloatArray:
    """Mean of the points of each cubic cell, float64 [K, 3]."""
    cells = _cells(points_m, spacing_m)
    _, group, count = np.unique(cells, return_inverse=True, return_counts=True)
    sums = [np.bincount(group.ravel(), weights=axis) for axis in points_m.T]
    return np.stack(sums, axis=1) / count[:, None]


def _cells(points_m: FloatArray, spacing_m: float) -> NDArray[np.intp]:
    """One number for each point, the same for points of the same cubic cell."""
    cells = np.floor((points_m - points_m.min(axis=0)) / spacing_m).astype(np.intp)
    extent = cells.max(axis=0) + 1
    numbers: NDArray[np.intp] = (cells[:, 0] * extent[1] + cells[:, 1]) * extent[2] + cells[:, 2]
    return numbers
