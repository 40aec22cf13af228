"""Small turns: rotation vectors there and back, for any number at once.

A transform is corrected by six numbers: a shift of its translation and a rotation vector about
the axes of its target, so ``R = exp(turn) R_before``. Covariances of this step are over these.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform, quat_from_matrix


def exp(turn_rad: FloatArray) -> FloatArray:
    """Rotation matrices float64 [..., 3, 3] of rotation vectors [..., 3] (Rodrigues)."""
    turn = np.asarray(turn_rad, dtype=np.float64)
    angle = np.sqrt(np.einsum("...i,...i->...", turn, turn))[..., None, None]
    # sinc is smooth at zero
    first = np.sinc(angle / np.pi)
    second = np.sinc(angle / (2 * np.pi)) ** 2 / 2
    outer = turn[..., :, None] * turn[..., None, :]
    result: FloatArray = np.cos(angle) * np.eye(3) + first * cross_matrix(turn) + second * outer
    return result


def log(rotation: FloatArray) -> FloatArray:
    """Rotation vectors float64 [..., 3], of angles in [0, pi], of rotation matrices."""
    quat = quat_from_matrix(rotation)
    size = np.linalg.norm(quat[..., :3], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(size, quat[..., 3:])
    # near no turn at all the vector is twice the imaginary part
    scale = np.where(size > 1e-12, angle / np.maximum(size, 1e-12), 2.0)
    turns: FloatArray = scale * quat[..., :3]
    return turns


def cross_matrix(vector: FloatArray) -> FloatArray:
    """Matrices [..., 3, 3] that take v to ``vector`` × v."""
    vector = np.asarray(vector, dtype=np.float64)
    result = np.zeros((*vector.shape, 3))
    result[..., 2, 1], result[..., 0, 2], result[..., 1, 0] = np.moveaxis(vector, -1, 0)
    return result - np.swapaxes(result, -1, -2)


def corrected(transform: RigidTransform, step: FloatArray) -> RigidTransform:
    """The transform after a correction: shift float64 [3], turn float64 [3]."""
    return RigidTransform(
        target=transform.target,
        source=transform.source,
        rotation=exp(step[3:]) @ transform.rotation,
        translation_m=transform.translation_m + step[:3],
    )


def covariance_of_inverse(transform: RigidTransform, covariance: FloatArray) -> FloatArray:
    """Covariance of the inverse of a transform, both float64 [6, 6] over corrections.

    With errors t + dt and exp(w) R, the inverse turns by -Rᵀ w and shifts by -Rᵀ (dt + t × w).
    """
    back = transform.rotation.T
    swing = back @ cross_matrix(transform.translation_m)
    slope = np.block([[-back, -swing], [np.zeros((3, 3)), -back]])
    return np.asarray(slope @ covariance @ slope.T)


def shortest_turn(one: FloatArray, other: FloatArray) -> FloatArray:
    """The rotation float64 [3, 3] that takes a unit vector to another one, not its opposite."""
    cross = cross_matrix(np.cross(one, other))
    turn: FloatArray = np.eye(3) + cross + cross @ cross / (1 + one @ other)
    return turn


def mean_rotation(rotations: FloatArray, weights: FloatArray) -> FloatArray:
    """The rotation nearest to all in the sum of squared chords, float64 [3, 3]."""
    return nearest_rotation(np.einsum("n,nij->ij", weights, rotations))


def nearest_rotation(matrices: FloatArray) -> FloatArray:
    """Rotations nearest to matrices, float64 [..., 3, 3] (orthogonal Procrustes)."""
    left, _, right = np.linalg.svd(matrices)
    sign = np.sign(np.linalg.det(left @ right))
    left = left.copy()
    left[..., :, 2] *= sign[..., None]
    nearest: FloatArray = left @ right
    return nearest
