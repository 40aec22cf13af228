"""The surface that an object stands on or in front of, found in the surroundings of its box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

_NUM_TRIPLETS = 200
_MOST_POINTS = 2000
_LEAST_SHARE = 0.4
_NOISES = 3.0


def support_plane(points_m: FloatArray, *, noise_m: float) -> FloatArray | None:
    """The plane that most points lie on, facing the camera; None where there is no such plane.

    Random sample consensus (Fischler and Bolles 1981) and a least-squares fit.

    Args:
        points_m: float64 [N, 3], in the camera's frame.
        noise_m: Standard deviation of a point.

    Returns:
        float64 [4], unit normal n and offset d: n·p + d is the height above the plane.
    """
    if len(points_m) < 3:
        return None
    points = points_m[:: -(-len(points_m) // _MOST_POINTS)]
    corners = points[np.random.default_rng(0).integers(0, len(points), (_NUM_TRIPLETS, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1)
    normals = normals[length > 0] / length[length > 0, None]
    if not len(normals):
        return None
    offsets = -np.einsum("ti,ti->t", normals, corners[length > 0, 0])
    normals[offsets < 0] *= -1  # towards the camera
    offsets = np.abs(offsets)
    # einsum, since large matrix products may depend on the number of threads
    height = np.einsum("ti,ni->tn", normals, points) + offsets[:, None]
    limit_m = _NOISES * noise_m
    # a surface that carries things has nothing behind it, unlike the face of a nearer object
    votes = (np.abs(height) < limit_m).sum(axis=1) - (height < -limit_m).sum(axis=1)
    best = int(np.argmax(votes))
    if votes[best] < _LEAST_SHARE * len(points):
        return None
    chosen = points[np.abs(height[best]) < _NOISES * noise_m]
    middle = chosen.mean(axis=0)
    spread = chosen - middle
    normal = np.linalg.eigh(np.einsum("ni,nj->ij", spread, spread))[1][:, 0]
    normal *= -np.sign(normal @ middle)
    return np.append(normal, -(normal @ middle))


def above_support(inside_m: FloatArray, around_m: FloatArray, *, noise_m: float) -> FloatArray:
    """Points of a region without the plane that its surroundings lie on.

    Only points outside of the region choose the plane, so the flat face of an object is not
    taken for it.

    Args:
        inside_m: float64 [N, 3], the region.
        around_m: float64 [M, 3], its surroundings.
        noise_m: Standard deviation of a point.

    Returns:
        float64 [K, 3], rows of ``inside_m`` on the camera's side of the plane.
    """
    plane = support_plane(around_m, noise_m=noise_m)
    if plane is None:
        return inside_m
    above: NDArray[np.bool_] = (
        np.einsum("ni,i->n", inside_m, plane[:3]) + plane[3] > _NOISES * noise_m
    )
    return inside_m[above]
