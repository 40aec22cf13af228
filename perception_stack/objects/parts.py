"""The smooth parts of a mesh, which meet in creases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

_CREASE = np.cos(np.deg2rad(30.0))
_SAME = 1e-6  # corners that near, of the extent, are one; files repeat them


def smooth_parts(vertices_m: FloatArray, triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the part of each triangle, int64 [T].

    Triangles are of one part where a way leads from one to the other over edges that bend by at
    most 30 degrees, so the side of a can is one part and each face of a box is one.

    Args:
        vertices_m: float64 [V, 3].
        triangles: int64 [T, 3].
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    step_m = _SAME * max(float(np.ptp(vertices_m, axis=0).max()), 1e-9)
    _, corner = np.unique(np.rint(vertices_m / step_m), axis=0, return_inverse=True)
    a, b, c = (vertices_m[triangles[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    sides = np.sort(corner.ravel()[triangles][:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
    order = np.lexsort(sides.T)
    shared = (sides[order[1:]] == sides[order[:-1]]).all(axis=1)
    one, other = order[:-1][shared] // 3, order[1:][shared] // 3
    smooth = np.einsum("ni,ni->n", normals[one], normals[other]) > _CREASE
    one, other = one[smooth], other[smooth]
    joined = coo_array((np.ones(len(one)), (one, other)), shape=(len(triangles),) * 2)
    return np.asarray(connected_components(joined, directed=False)[1], dtype=np.int64)
