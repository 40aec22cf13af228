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
