"""Flat patches of a cloud: where a scan is smooth enough to measure distances against.

Cubes that hold one flat surface become a patch; the others are cut into eight and looked at
again. So a floor seen from afar, where beams lie far apart, gives large patches, and the side of
a cupboard small ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

_LEAST_POINTS = 10
_FLAT = 0.12
"""A patch is this many times thinner than it is wide, its narrow side counting."""
_NARROW = 0.1
"""Its narrow side's standard deviation over the edge of its cube; a line of points is no plane."""
_THICKEST_M = 0.05
_NUM_SIZES = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Patches:
    """Planes, each fitted to the points of one cube.

    Attributes:
        center_m: float64 [M, 3], mean of the points.
        normal: float64 [M, 3], unit, towards the sensor.
        tilt_variance: float64 [M, 3, 3], of the normal, rad², as noise of the points makes it.
        num_points: int [M].
        points_m: float64 [N, 3], points on any of them.
        patch: int [N], on which.
    """

    center_m: FloatArray
    normal: FloatArray
    tilt_variance: FloatArray
    num_points: NDArray[np.intp]
    points_m: FloatArray
    patch: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.center_m)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(self.points_m)

    def nearest(
        self, points_m: FloatArray, *, reach_m: float
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """The patch of the nearest point, int [N], and whether that point is within reach."""
        distance, index = self._tree.query(points_m, distance_upper_bound=reach_m)
        reached = np.isfinite(distance)
        return self.patch[np.where(reached, index, 0)], reached


def patches_of(points_m: FloatArray, *, edge_m: float) -> Patches:
    """Flat patches; cubes are at least of one size, at most of eight times that.

    Args:
        points_m: float64 [N, 3], finite, the sensor at the origin.
        edge_m: Edge of the smallest cubes.
    """
    left = points_m
    parts, taken, owner, first = [], [], [], 0
    for level in reversed(range(_NUM_SIZES)):
        found, index = _flat_cubes(left, edge_m * 2**level)
        parts.append(found)
        on = index >= 0
        taken.append(left[on])
        owner.append(index[on] + first)
        first += len(found[0])
        left = left[~on]
    center, normal, tilt, counts = (np.concatenate(all_) for all_ in zip(*parts, strict=True))
    away = np.einsum("mi,mi->m", normal, center) > 0
    return Patches(
        center_m=center,
        normal=np.where(away[:, None], -normal, normal),
        tilt_variance=tilt,
        num_points=counts,
        points_m=np.concatenate(taken),
        patch=np.concatenate(owner),
    )


def _flat_cubes(
    points_m: FloatArray, edge_m: float
) -> tuple[tuple[FloatArray, FloatArray, FloatArray, NDArray[np.intp]], NDArray[np.intp]]:
    """Center, normal, tilt variance and number of points of flat cubes; the cube of each point."""
    cell = np.floor(points_m / edge_m).astype(np.int64)
    cell -= cell.min(axis=0, initial=0)
    size = cell.max(axis=0, initial=0) + 1
    _, index, counts = np.unique(
        np.ravel_multi_index(tuple(cell.T), tuple(size.tolist())),
        return_inverse=True,
        return_counts=True,
    )
    center = _sums(points_m, index, len(counts)) / np.maximum(counts, 1)[:, None]
    away = points_m - center[index]
    scatter = _sums((away[:, :, None] * away[:, None]).reshape(-1, 9), index, len(counts))
    values, axes = np.linalg.eigh(scatter.reshape(-1, 3, 3))
    values = np.maximum(values, 1e-12)
    variance = values / np.maximum(counts - 3, 1)[:, None]
    thin, narrow = np.sqrt(variance[:, 0]), np.sqrt(variance[:, 1])
    flat = (counts >= _LEAST_POINTS) & (thin < _FLAT * narrow)
    flat &= (thin < _THICKEST_M) & (narrow > _NARROW * edge_m)
    chosen = np.flatnonzero(flat)
    # of a plane's slope along each of its own axes (simple regression)
    slope = variance[chosen, :1] / values[chosen, 1:]
    own = axes[chosen][:, :, 1:]
    tilt = np.einsum("mia,ma,mja->mij", own, slope, own)
    rank = np.full(len(counts), -1)
    rank[chosen] = np.arange(len(chosen))
    return (center[chosen], axes[chosen][:, :, 0], tilt, counts[chosen]), rank[index]


def _sums(values: FloatArray, index: NDArray[np.intp], num: int) -> FloatArray:
    columns = [np.bincount(index, weights=column, minlength=num) for column in values.T]
    return np.stack(columns, axis=1)
