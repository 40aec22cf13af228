"""First guesses of a pose: orientations all around, the object where something is seen.

Features of a surface (FPFH and the like) say nothing on flat and round objects. A grid makes
alignment so cheap that a thousand orientations are simply tried instead.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.pose.models import ObjectModel
from perception_stack.pose.surface import Surface

_FACING = -0.1
_LEAST_SHARE = 0.1
_NUM_TURNS = 12
_CORNERS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
# sqrt(2), and the root of x^4 = x + 4
_PHI, _PSI = np.sqrt(2.0), 1.533751168755204288118041


def guess_poses(model: Surface, center_m: FloatArray, *, num: int) -> FloatArray:
    """Scene-from-model transforms that put the middle of the visible surface at a point.

    Args:
        model: The whole object.
        center_m: float64 [3], middle of what is seen of it, in the camera's frame.
        num: How many orientations.

    Returns:
        float64 [num, 4, 4].
    """
    rotations = even_rotations(num)
    view = np.einsum("hji,j->hi", rotations, center_m / np.linalg.norm(center_m))
    # einsum, since large matrix products may depend on the number of threads
    facing = (np.einsum("hi,ni->hn", view, model.normals) < _FACING).astype(np.float64)
    visible_m = np.einsum("hn,ni->hi", facing, model.points_m)
    visible_m /= np.maximum(facing.sum(axis=1, keepdims=True), 1)
    poses = np.tile(np.eye(4), (num, 1, 1))
    poses[:, :3, :3] = rotations
    poses[:, :3, 3] = center_m - np.einsum("hij,hj->hi", rotations, visible_m)
    return poses


@cache
def even_rotations(num: int) -> FloatArray:
    """Rotations that cover all orientations evenly, float64 [num, 3, 3].

    Alexa: Super-Fibonacci spirals: fast, low-discrepancy sampling of SO(3), CVPR 2022.
    """
    s = np.arange(num) + 0.5
    inner, outer = np.sqrt(s / num), np.sqrt(1 - s / num)
    alpha, beta = 2 * np.pi * s / _PHI, 2 * np.pi * s / _PSI
    quat_xyzw = [
        inner * np.sin(alpha),
        inner * np.cos(alpha),
        outer * np.sin(beta),
        outer * np.cos(beta),
    ]
    return matrix_from_quat(np.stack(quat_xyzw, axis=1))


def turned(model: ObjectModel, poses: FloatArray) -> FloatArray:
    """The poses, and each of them with the object turned on the spot about its principal axes.

    Returns:
        float64 [K, 4, 4], the first H rows as they were.
    """
    center_m = model.surface.points_m.mean(axis=0)
    offsets_m = model.surface.points_m - center_m
    _, axes = np.linalg.eigh(offsets_m.T @ offsets_m)
    half_rad = np.arange(1, _NUM_TURNS) * np.pi / _NUM_TURNS
    vectors = np.sin(half_rad)[:, None, None] * axes.T
    scalars = np.broadcast_to(np.cos(half_rad)[:, None, None], (*vectors.shape[:2], 1))
    quat_xyzw = np.concatenate([vectors, scalars], axis=2).reshape(-1, 4)
    turns = np.tile(np.eye(4), (len(quat_xyzw), 1, 1))
    turns[:, :3, :3] = matrix_from_quat(quat_xyzw)
    turns[:, :3, 3] = center_m - turns[:, :3, :3] @ center_m
    return np.concatenate([poses, (poses[:, None] @ turns).reshape(-1, 4, 4)])


def group_centers(points_m: FloatArray, cell_m: float, *, most: int) -> FloatArray:
    """Middles of the largest groups of points, largest first, float64 [K, 3].

    Points in touching cells are of one group; groups much smaller than the largest are left out.
    """
    from scipy.ndimage import label

    cells = np.floor((points_m - points_m.min(axis=0)) / cell_m).astype(np.intp)
    taken = np.zeros(cells.max(axis=0) + 1, dtype=np.bool_)
    taken[tuple(cells.T)] = True
    groups, num = label(taken, structure=np.ones((3, 3, 3)))
    group = groups[tuple(cells.T)] - 1
    size = np.bincount(group, minlength=num)
    sums = np.stack([np.bincount(group, weights=axis, minlength=num) for axis in points_m.T])
    order = np.argsort(-size, kind="stable")[:most]
    order = order[size[order] >= _LEAST_SHARE * size[order[0]]]
    centers_m: FloatArray = (sums[:, order] / size[order]).T
    return centers_m


def best_different(
    model: ObjectModel, poses: FloatArray, scores: FloatArray, *, num: int, apart: float
) -> NDArray[np.intp]:
    """Rows of the best poses, best first, none of which puts the object where a better one does.

    Args:
        model: The object.
        poses: float64 [H, 4, 4].
        scores: float64 [H]; of equals the first is better.
        num: Most rows to return.
        apart: Mean distance of corners from which on poses differ, relative to the diameter.
    """
    reach_m = np.ptp(model.surface.points_m, axis=0) / 2
    corners_m = model.middle_m + reach_m * _CORNERS
    placed = np.einsum("hij,kj->hki", poses[:, :3, :3], corners_m) + poses[:, None, :3, 3]
    placed = placed.reshape(len(poses), -1)
    limit = len(_CORNERS) * (apart * model.diameter_m) ** 2
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order) and len(kept) < num:
        kept.append(order[0])
        order = order[((placed[order] - placed[order[0]]) ** 2).sum(axis=1) > limit]
    return np.array(kept, dtype=np.intp)
