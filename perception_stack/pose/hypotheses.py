"""First guesses of a pose: orientations all around, the object where its visible part is."""

from __future__ import annotations

from functools import cache

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.pose.surface import Surface

_FACING = -0.1
_PHI, _PSI = np.sqrt(2.0), 1.533751168755204288118041


def guess_poses(model: Surface, center_m: FloatArray, num: int) -> FloatArray:
    """Scene-from-model transforms that put the middle of the visible surface at a point.

    Args:
        model: The whole object.
        center_m: float64 [3], middle of what is seen of it, in the camera's frame.
        num: How many orientations.

    Returns:
        float64 [num, 4, 4].
    """
    rotations = even_rotations(num)
    view = center_m / np.linalg.norm(center_m)
    facing = (rotations.transpose(0, 2, 1) @ view) @ model.normals.T < _FACING
    count = np.maximum(facing.sum(axis=1, keepdims=True), 1)
    visible_m = (facing.astype(np.float64) @ model.points_m) / count
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
    quat_xyzw = np.column_stack(
        [
            inner * np.sin(alpha),
            inner * np.cos(alpha),
            outer * np.sin(beta),
            outer * np.cos(beta),
        ]
    )
    return matrix_from_quat(quat_xyzw)


def cluster_centers(points_m: FloatArray, cell_m: float, most: int) -> FloatArray:
    """Middles of the largest groups of touching cells, largest first, float64 [K, 3]."""
    from scipy.ndimage import label

    cells = np.floor((points_m - points_m.min(axis=0)) / cell_m).astype(np.int64)
    taken = np.zeros(cells.max(axis=0) + 1, dtype=bool)
    taken[tuple(cells.T)] = True
    groups, num = label(taken, structure=np.ones((3, 3, 3)))
    group = groups[tuple(cells.T)] - 1
    size = np.bincount(group, minlength=num)
    sums = np.stack([np.bincount(group, weights=axis, minlength=num) for axis in points_m.T])
    order = np.argsort(-size, kind="stable")[:most]
    order = order[size[order] >= 0.1 * size[order[0]]]
    return (sums / size).T[order]


def different(poses, rank, *, num, same_m, model):
    """Rows of the best poses, best first, no two of which put the object at the same place."""
    low, high = model.surface.points_m.min(axis=0), model.surface.points_m.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2
    corners = middle + half * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    placed = np.einsum("hij,kj->hki", poses[:, :3, :3], corners) + poses[:, None, :3, 3]
    placed = placed.reshape(len(poses), -1)
    order = np.argsort(-rank, kind="stable")
    left = np.ones(len(poses), dtype=bool)
    kept = []
    for row in order:
        if len(kept) == num:
            break
        if left[row]:
            kept.append(row)
            left &= ((placed - placed[row]) ** 2).sum(axis=1) > 4 * same_m**2
    return np.array(kept)
