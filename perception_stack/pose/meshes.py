"""Surfaces of mesh files and of files of points."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError, ModelLoadError
from perception_stack.pose.surface import Surface, thinned

_SAMPLES_PER_SPACING = 6.0
_MOST_SAMPLES = 200_000
_LEAST_POINTS = 10
_NORMAL_NEIGHBOURS = 12


def read_surface(path: Path, *, scale: float, resolution: float) -> tuple[FloatArray, Surface]:
    """Corners [N, 3] and surface of a file, in metres.

    Args:
        path: A triangle mesh, or ``.xyz`` with one point a line.
        scale: Metres per unit of the file.
        resolution: Distance of the points of the surface, relative to the object's diagonal.

    Raises:
        DataFileError: the file cannot be read or holds no surface.
        ModelLoadError: Open3D, which reads meshes, is not installed.
    """
    is_cloud = path.suffix.lower() == ".xyz"
    corners_m, points_m, normals = (_read_cloud if is_cloud else _read_mesh)(
        path, scale, resolution
    )
    spacing_m = resolution * _diagonal(corners_m)
    kept = thinned(points_m, spacing_m)
    surface = Surface(points_m=points_m[kept], normals=normals[kept], spacing_m=spacing_m)
    return corners_m, surface


def _read_mesh(
    path: Path, scale: float, resolution: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Vertices, and random points on the triangles with their normals."""
    try:
        import open3d
    except ImportError as error:
        why = "open3d, which reads meshes, is not installed; type: pip install open3d"
        raise ModelLoadError(path, why) from error

    # its warnings about bad files would go to the terminal
    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        mesh = open3d.io.read_triangle_mesh(path)
    vertices_m = np.asarray(mesh.vertices, dtype=np.float64) * scale
    triangles = np.asarray(mesh.triangles)
    if not np.isfinite(vertices_m).all():
        raise DataFileError(path, "vertices that are not finite")
    a, b, c = (vertices_m[triangles[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    area = np.linalg.norm(cross, axis=1) / 2
    if not area.sum() > 0:
        raise DataFileError(path, "no mesh with a surface in it")
    spacing_m = resolution * _diagonal(vertices_m)
    num = min(_MOST_SAMPLES, int(_SAMPLES_PER_SPACING * area.sum() / spacing_m**2) + 1)
    rng = np.random.default_rng(0)
    face = rng.choice(len(triangles), num, p=area / area.sum())
    # uniform on a triangle: fold the unit square along its diagonal
    u, v = rng.random((2, num, 1))
    folded = u + v > 1
    u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
    points_m = a[face] + u * (b - a)[face] + v * (c - a)[face]
    return vertices_m, points_m, cross[face] / (2 * area[face][:, None])


def _read_cloud(
    path: Path,
    scale: float,
    resolution: float,  # noqa: ARG001  # points are as dense as they are
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The points, twice, and normals of planes through their neighbours, away from the middle."""
    from scipy.spatial import cKDTree

    try:
        points_m = np.loadtxt(path, dtype=np.float64, ndmin=2)[:, :3] * scale
    except (OSError, ValueError, IndexError) as error:
        raise DataFileError(path, f"no points: {error}") from error
    if points_m.shape[1] != 3 or len(points_m) < _LEAST_POINTS or not _diagonal(points_m) > 0:
        raise DataFileError(path, f"fewer than {_LEAST_POINTS} points of three coordinates")
    if not np.isfinite(points_m).all():
        raise DataFileError(path, "points that are not finite")
    nearest = min(_NORMAL_NEIGHBOURS, len(points_m))
    around = points_m[cKDTree(points_m).query(points_m, k=nearest)[1]]
    around -= around.mean(axis=1, keepdims=True)
    normals = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))[1][:, :, 0]
    outward = np.einsum("ni,ni->n", normals, points_m - points_m.mean(axis=0))
    return points_m, points_m, np.where(outward[:, None] < 0, -normals, normals)


def _diagonal(points_m: FloatArray) -> float:
    return float(np.linalg.norm(np.ptp(points_m, axis=0))) if len(points_m) else 0.0
