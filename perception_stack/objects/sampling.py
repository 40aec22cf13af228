"""Even samples of a shape with outward normals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.objects.files import Shape
from perception_stack.objects.rotations import even_directions
from perception_stack.objects.surface import Surface, thinned

_SAMPLES_PER_SPACING = 6.0
_MOST_SAMPLES = 400_000
_NORMAL_NEIGHBOURS = 12
_NUM_VIEWS, _VIEW_CELLS = 60, 40


def sample(shape: Shape, spacing_m: float) -> tuple[Surface, NDArray[np.uint8]]:
    """Points of a shape (metres) about so far apart, and their colours uint8 [N or 0, 3]."""
    points_m, normals, rgb = (_on_faces if len(shape.triangles) else _of_points)(shape, spacing_m)
    kept = thinned(points_m, spacing_m)
    surface = Surface(points_m=points_m[kept], normals=normals[kept], spacing_m=spacing_m)
    return surface, rgb[kept] if len(rgb) else rgb


def _on_faces(shape: Shape, spacing_m: float) -> tuple[FloatArray, FloatArray, NDArray[np.uint8]]:
    """Random points on the triangles."""
    a, b, c = (shape.vertices[shape.triangles[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    area = np.linalg.norm(cross, axis=1) / 2
    num = min(_MOST_SAMPLES, int(_SAMPLES_PER_SPACING * area.sum() / spacing_m**2) + 1)
    rng = np.random.default_rng(0)
    face = rng.choice(len(area), num, p=area / area.sum())
    # uniform on a triangle: fold the unit square along its diagonal
    u, v = rng.random((2, num, 1))
    folded = u + v > 1
    u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
    points_m = a[face] + u * (b - a)[face] + v * (c - a)[face]
    rgb = shape.rgb
    if len(rgb):
        p, q, r = (rgb[shape.triangles[face, i]].astype(np.float64) for i in range(3))
        rgb = np.rint((1 - u - v) * p + u * q + v * r).astype(np.uint8)
    return points_m, cross[face] / (2 * area[face][:, None]), rgb


def _of_points(
    shape: Shape,
    spacing_m: float,  # noqa: ARG001  # points are as dense as they are
) -> tuple[FloatArray, FloatArray, NDArray[np.uint8]]:
    """The points as they are; normals of planes through their neighbours, towards the outside."""
    from scipy.spatial import cKDTree

    points_m = shape.vertices
    nearest = min(_NORMAL_NEIGHBOURS, len(points_m))
    around = points_m[cKDTree(points_m).query(points_m, k=nearest)[1]]
    around = around - around.mean(axis=1, keepdims=True)
    normals = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))[1][:, :, 0]
    inward = np.einsum("ni,ni->n", normals, _outside(points_m)) < 0
    return points_m, np.where(inward[:, None], -normals, normals), shape.rgb


def _outside(points_m: FloatArray) -> FloatArray:
    """Mean direction from which each point is seen from afar, [N, 3]; else away from the middle.

    Away from the middle alone would be wrong on the inner wall of a mug.
    """
    middle = points_m.mean(axis=0)
    cell_m = np.linalg.norm(np.ptp(points_m, axis=0)) / _VIEW_CELLS
    seen_from = np.zeros_like(points_m)
    for view in even_directions(_NUM_VIEWS):
        right = np.cross(view, np.eye(3)[np.argmin(np.abs(view))])
        right /= np.linalg.norm(right)
        across = (points_m - middle) @ np.stack([right, np.cross(view, right)], axis=1)
        cells = np.floor((across - across.min(axis=0)) / cell_m).astype(np.intp)
        flat = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
        height = points_m @ view
        top = np.full(flat.max() + 1, -np.inf)
        np.maximum.at(top, flat, height)
        seen_from[height > top[flat] - cell_m] += view
    hidden = np.linalg.norm(seen_from, axis=1) < 1.0
    seen_from[hidden] = (points_m - middle)[hidden]
    return seen_from
