"""Shapes of mesh files and of files of points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError, ModelLoadError

SUFFIXES = (".ply", ".obj", ".stl", ".xyz")
_LEAST_POINTS = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """A mesh, or points without faces.

    Attributes:
        vertices: float64 [V, 3], in the unit of the file until it is scaled.
        triangles: int64 [T, 3], counter-clockwise from outside; T is 0 for points.
        rgb: uint8 [V, 3], colour of each vertex; [0, 3] where the file has none.
    """

    vertices: FloatArray
    triangles: NDArray[np.int64]
    rgb: NDArray[np.uint8]


def read_shape(path: Path) -> Shape:
    """Vertices, faces and colours of a file.

    Args:
        path: PLY, OBJ or STL with or without faces, or ``.xyz`` with one point a line.

    Raises:
        DataFileError: the file cannot be read or holds no surface.
        ModelLoadError: trimesh, which reads meshes, is not installed.
    """
    shape = _read_points(path) if path.suffix.lower() == ".xyz" else _read_mesh(path)
    vertices, triangles = shape.vertices, shape.triangles
    if not np.isfinite(vertices).all():
        raise DataFileError(path, "vertices that are not finite")
    if len(triangles):
        a, b, c = (vertices[triangles[:, i]] for i in range(3))
        if not np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() > 0:
            raise DataFileError(path, "no mesh with a surface in it")
    elif len(vertices) < _LEAST_POINTS or not np.ptp(vertices, axis=0).any():
        raise DataFileError(path, f"no faces, and fewer than {_LEAST_POINTS} points")
    return shape


def _read_mesh(path: Path) -> Shape:
    try:
        import trimesh
    except ImportError as error:
        why = "trimesh, which reads meshes, is not installed; type: pip install trimesh"
        raise ModelLoadError(path, why) from error

    try:
        scene: Any = trimesh.load_scene(path)
        parts = [one for one in scene.dump() if len(one.vertices)]
    except Exception as error:  # each format fails in its own way
        raise DataFileError(path, f"no mesh or points in it: {error!r}") from error
    if not parts:
        raise DataFileError(path, "no mesh or points in it")
    starts = np.cumsum([0, *(len(one.vertices) for one in parts)])
    faces = [
        np.asarray(one.faces, dtype=np.int64) + start
        for one, start in zip(parts, starts, strict=False)
        if hasattr(one, "faces")
    ]
    colours = [_colours_of(one) for one in parts]
    has_colour = all(len(one) for one in colours)
    return Shape(
        vertices=np.concatenate([np.asarray(one.vertices, dtype=np.float64) for one in parts]),
        triangles=np.concatenate([np.empty((0, 3), dtype=np.int64), *faces]),
        rgb=np.concatenate(colours) if has_colour else np.empty((0, 3), dtype=np.uint8),
    )


def _colours_of(part: Any) -> NDArray[np.uint8]:
    """Colour of each vertex, of the file's vertex colours or its texture."""
    visual = getattr(part, "visual", None)
    if visual is None:
        colours = np.asarray(getattr(part, "colors", ()))
    elif visual.kind == "texture" and getattr(visual.material, "image", None) is not None:
        colours = np.asarray(visual.to_color().vertex_colors)
    elif visual.kind == "vertex":
        colours = np.asarray(visual.vertex_colors)
    else:
        colours = np.empty((0, 4))
    if len(colours) != len(part.vertices):
        return np.empty((0, 3), dtype=np.uint8)
    return colours[:, :3].astype(np.uint8)


def _read_points(path: Path) -> Shape:
    try:
        points = np.loadtxt(path, dtype=np.float64, ndmin=2)[:, :3]
    except (OSError, ValueError, IndexError) as error:
        raise DataFileError(path, f"no points: {error}") from error
    if points.shape[1] != 3:
        raise DataFileError(path, "no points of three coordinates")
    return Shape(
        vertices=points,
        triangles=np.empty((0, 3), dtype=np.int64),
        rgb=np.empty((0, 3), dtype=np.uint8),
    )
