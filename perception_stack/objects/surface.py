"""Points with normals, evenly spread over a surface, and poses that lay seen points on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

if TYPE_CHECKING:
    from perception_stack.objects._kernels import Grid

_CELL_SPACINGS = 0.5
_MARGIN_SPACINGS = 6.0
_MOST_CELLS = 3_000_000
_EVERY_SIDE = np.empty((0, 3))

LIKE = 0.5
"""Cosine of normals from which on they may be of one surface: noise and edges turn them far."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Surface:
    """Evenly spread points of a surface.

    The nearest of them is looked up in a grid of cells. The answer is exact at the middle of a
    cell and at most a cell off elsewhere; outside of the grid it is that of its border.

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

    def thinned(self, spacing_m: float) -> Surface:
        """Fewer points of it."""
        kept = thinned(self.points_m, spacing_m)
        return Surface(
            points_m=self.points_m[kept], normals=self.normals[kept], spacing_m=spacing_m
        )

    def aligned(
        self,
        seen_m: FloatArray,
        poses: FloatArray,
        limits_m: FloatArray,
        *,
        seen_normals: FloatArray = _EVERY_SIDE,
    ) -> FloatArray:
        """Poses at which seen points lie better on the surface, float64 [H, 4, 4].

        Iterative closest point, point to plane (Chen and Medioni 1992), of many poses at once.
        The model never changes, so its grid serves all of them; what is seen is moved.

        Args:
            seen_m: float64 [N, 3], in the scene.
            poses: float64 [H, 4, 4], scene from model.
            limits_m: One for each iteration: points farther away than this count nothing, nearer
                ones the more the nearer (Tukey's biweight).
            seen_normals: float64 [N, 3], NaN where not known. If given, only sides of the model
                count that face the scene's origin, the camera, and are turned as what is seen.
                This keeps the two sides of a thin wall apart, and what touches an object from
                pulling at faces that are not seen; it wants model points closer together than
                walls are thin.
        """
        from perception_stack.objects._kernels import align_poses

        better = np.array(poses, dtype=np.float64, order="C")
        align_poses(
            better,
            np.ascontiguousarray(seen_m, dtype=np.float64),
            np.ascontiguousarray(seen_normals, dtype=np.float64),
            self.grid,
            np.ascontiguousarray(limits_m, dtype=np.float64),
            LIKE,
        )
        return better

    def distances(
        self, seen_m: FloatArray, poses: FloatArray
    ) -> tuple[FloatArray, NDArray[np.int32]]:
        """Distance of seen points from the surface's points, and the rows of the nearest ones.

        Args:
            seen_m: float64 [N, 3].
            poses: float64 [H, 4, 4], scene from model.

        Returns:
            float64 [H, N] metres, int32 [H, N].
        """
        from perception_stack.objects._kernels import distances

        return distances(
            np.ascontiguousarray(poses, dtype=np.float64),
            np.ascontiguousarray(seen_m, dtype=np.float64),
            self.grid,
        )

    @cached_property
    def grid(self) -> Grid:
        """The look-up of the nearest point; see ``_kernels.Grid``."""
        from scipy.spatial import cKDTree

        margin_m = _MARGIN_SPACINGS * self.spacing_m
        low_m = self.points_m.min(axis=0) - margin_m
        extent_m = self.points_m.max(axis=0) + margin_m - low_m
        cell_m = max(
            _CELL_SPACINGS * self.spacing_m, float(np.cbrt(extent_m.prod() / _MOST_CELLS))
        )
        shape = np.ceil(extent_m / cell_m).astype(np.int64)
        cells = np.indices(shape).reshape(3, -1).T
        index = cKDTree(self.points_m).query(low_m + (cells + 0.5) * cell_m, workers=-1)[1]
        return (self.points_m, self.normals, low_m, cell_m, shape, index.astype(np.int32))


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
