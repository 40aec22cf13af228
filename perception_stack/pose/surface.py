"""Points with normals: of meshes, of point files and of depth images; and their features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError, ModelLoadError

_SAMPLES_PER_SPACING = 6.0
_MOST_SAMPLES = 200_000
_NORMAL_SPACINGS = 2.0
_CELL_SPACINGS = 0.5


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

    @cached_property
    def tree(self) -> Any:
        """Nearest-neighbour search over the points, a ``scipy.spatial.cKDTree``."""
        from scipy.spatial import cKDTree

        return cKDTree(self.points_m)


class Nearest:
    """Nearest point of a surface for very many queries: looked up in a grid of cells.

    Exact at the middle of a cell, at most a cell wrong elsewhere; outside of the grid the answer
    is that of the border.
    """

    def __init__(self, surface: Surface, *, margin_m: float) -> None:
        from scipy.spatial import cKDTree

        self.surface = surface
        self._cell_m = _CELL_SPACINGS * surface.spacing_m
        self._low_m = surface.points_m.min(axis=0) - margin_m
        extent_m = surface.points_m.max(axis=0) + margin_m - self._low_m
        self._shape = np.ceil(extent_m / self._cell_m).astype(np.int64)
        cells = np.stack(np.unravel_index(np.arange(self._shape.prod()), self._shape), axis=1)
        middles_m = self._low_m + (cells + 0.5) * self._cell_m
        self._index = cKDTree(surface.points_m).query(middles_m)[1].astype(np.int32)

    def index(self, points_m: FloatArray) -> NDArray[np.int32]:
        """Rows of the surface nearest to points [..., 3], int32 [...]."""
        cells = ((points_m - self._low_m) / self._cell_m).astype(np.int64)
        np.clip(cells, 0, self._shape - 1, out=cells)
        flat = (cells[..., 0] * self._shape[1] + cells[..., 1]) * self._shape[2] + cells[..., 2]
        found: NDArray[np.int32] = self._index[flat]
        return found


def import_open3d() -> Any:
    """Open3D, loaded when a pose is first asked for.

    Raises:
        ModelLoadError: it is not installed.
    """
    try:
        import open3d
    except ImportError as error:
        why = "open3d is not installed; type: pip install open3d"
        raise ModelLoadError("pose_estimator", why) from error
    return open3d


def surface_of_mesh(path: Path, scale: float, resolution: float) -> tuple[FloatArray, Surface]:
    """Vertices and sampled surface of a triangle mesh, in metres.

    Raises:
        DataFileError: no triangles can be read.
    """
    mesh = import_open3d().io.read_triangle_mesh(str(path))
    triangles = np.asarray(mesh.triangles)
    if not len(triangles):
        raise DataFileError(path, "no triangles in it")
    vertices_m = np.asarray(mesh.vertices) * scale
    a, b, c = (vertices_m[triangles[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    area = np.linalg.norm(cross, axis=1) / 2
    spacing_m = resolution * float(np.linalg.norm(np.ptp(vertices_m, axis=0)))
    num = min(_MOST_SAMPLES, int(_SAMPLES_PER_SPACING * area.sum() / spacing_m**2) + 1)
    rng = np.random.default_rng(0)
    face = rng.choice(len(triangles), num, p=area / area.sum())
    # uniform on a triangle: fold the unit square along its diagonal
    u, v = rng.random((2, num, 1))
    folded = u + v > 1
    u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
    points = a[face] + u * (b - a)[face] + v * (c - a)[face]
    normals = cross[face] / (2 * area[face][:, None])
    return vertices_m, _thinned_surface(points, normals, spacing_m)


def surface_of_cloud(path: Path, scale: float, resolution: float) -> tuple[FloatArray, Surface]:
    """Points of a text file and their surface, normals away from the middle, in metres.

    Raises:
        DataFileError: it does not hold three numbers a line.
    """
    try:
        points = np.loadtxt(path, dtype=np.float64, ndmin=2)[:, :3] * scale
    except (OSError, ValueError, IndexError) as error:
        raise DataFileError(path, f"no points: {error}") from error
    if points.shape[1] != 3 or len(points) < 10:
        raise DataFileError(path, "fewer than 10 points of three coordinates")
    spacing_m = resolution * float(np.linalg.norm(np.ptp(points, axis=0)))
    normals = estimated_normals(points, spacing_m)
    outward = np.einsum("ni,ni->n", normals, points - points.mean(axis=0))
    normals = np.where(outward[:, None] < 0, -normals, normals)
    return points, _thinned_surface(points, normals, spacing_m)


def _thinned_surface(points_m: FloatArray, normals: FloatArray, spacing_m: float) -> Surface:
    kept = thinned(points_m, spacing_m)
    return Surface(points_m=points_m[kept], normals=normals[kept], spacing_m=spacing_m)


def estimated_normals(points_m: FloatArray, spacing_m: float) -> FloatArray:
    """Normals of the planes through each point's neighbours, float64 [N, 3], sign undefined."""
    open3d = import_open3d()
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points_m))
    radius = _NORMAL_SPACINGS * spacing_m
    cloud.estimate_normals(open3d.geometry.KDTreeSearchParamHybrid(radius=radius, max_nn=60))
    return np.asarray(cloud.normals).copy()


def thinned(points_m: FloatArray, spacing_m: float) -> NDArray[np.intp]:
    """One point of each cubic cell, the first in order, by rising index."""
    keys = _cells(points_m, spacing_m)
    return np.sort(np.unique(keys, return_index=True)[1])


def thinned_mean(points_m: FloatArray, spacing_m: float) -> FloatArray:
    """Mean of the points of each cubic cell, float64 [K, 3]."""
    keys = _cells(points_m, spacing_m)
    _, group, count = np.unique(keys, return_inverse=True, return_counts=True)
    sums = [np.bincount(group.ravel(), weights=axis) for axis in points_m.T]
    return np.stack(sums, axis=1) / count[:, None]


def _cells(points_m: FloatArray, spacing_m: float) -> NDArray[np.int64]:
    """One number for each point, the same for points of the same cubic cell."""
    cells = np.floor((points_m - points_m.min(axis=0)) / spacing_m).astype(np.int64)
    extent = cells.max(axis=0) + 1
    keys: NDArray[np.int64] = (cells[:, 0] * extent[1] + cells[:, 1]) * extent[2] + cells[:, 2]
    return keys
