"""Rotation vectors and the right-angled turns that leave a box the same box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import matrix_from_quat, quat_multiply

_ROOT_HALF = np.sqrt(0.5)
# turns of k times 90 degrees about z
_QUARTER_TURNS = np.array(
    [[0, 0, 0, 1], [0, 0, _ROOT_HALF, _ROOT_HALF], [0, 0, 1, 0], [0, 0, _ROOT_HALF, -_ROOT_HALF]]
)
# turns that bring axis x, y, z (row) pointing up or down (column) to z
_TURNS_TO_Z = np.array(
    [
        [[0, _ROOT_HALF, 0, _ROOT_HALF], [0, -_ROOT_HALF, 0, _ROOT_HALF]],
        [[-_ROOT_HALF, 0, 0, _ROOT_HALF], [_ROOT_HALF, 0, 0, _ROOT_HALF]],
        [[0, 0, 0, 1], [1, 0, 0, 0]],
    ]
)
_AXES_AFTER = np.array([[2, 1, 0], [0, 2, 1], [0, 1, 2]])


def quat_from_vector(vector_rad: FloatArray) -> FloatArray:
    """Unit quaternions of rotation vectors, float64 [N, 3] to float64 [N, 4]."""
    half = 0.5 * np.sqrt(np.sum(vector_rad**2, axis=1, keepdims=True))
    # np.sinc(x) is sin(pi x) / (pi x), finite at zero
    quat: FloatArray = np.concatenate(
        [0.5 * np.sinc(half / np.pi) * vector_rad, np.cos(half)], axis=1
    )
    return quat


def vector_from_quat(quat_xyzw: FloatArray) -> FloatArray:
    """Shortest rotation vectors of unit quaternions, float64 [N, 4] to float64 [N, 3]."""
    axis, real = quat_xyzw[:, :3], quat_xyzw[:, 3:]
    sine = np.sqrt(np.sum(axis**2, axis=1, keepdims=True))
    angle = 2 * np.arctan2(sine, np.abs(real))
    scale = np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)
    vector: FloatArray = np.where(real < 0, -1.0, 1.0) * scale * axis
    return vector


def inverse(quat_xyzw: FloatArray) -> FloatArray:
    """Inverse of unit quaternions."""
    conjugate: FloatArray = quat_xyzw * np.array([-1.0, -1.0, -1.0, 1.0])
    return conjugate


def turned_by_quarters(quat_xyzw: FloatArray, num_quarters: NDArray[np.intp]) -> FloatArray:
    """Rotations of boxes whose x axes are taken quarter turns further about their own z.

    Args:
        quat_xyzw: float64 [N, 4].
        num_quarters: int [N].
    """
    return quat_multiply(quat_xyzw, _QUARTER_TURNS[num_quarters % 4])


def sides_after_quarters(sides: FloatArray, num_quarters: NDArray[np.intp]) -> FloatArray:
    """What belongs to length, width and height, once boxes are turned by quarters.

    Args:
        sides: float64 [N, 3].
        num_quarters: int [N].
    """
    odd = (num_quarters % 2 == 1)[:, None]
    return np.where(odd, sides[:, [1, 0, 2]], sides)


def quarters_to(quat_xyzw: FloatArray, nearest_to_xyzw: FloatArray) -> NDArray[np.intp]:
    """Number of quarter turns about their z that bring boxes nearest to given rotations.

    Args:
        quat_xyzw: float64 [N, 4].
        nearest_to_xyzw: float64 [N, 4].

    Returns:
        int [N], 0 to 3.
    """
    candidates = quat_multiply(quat_xyzw[:, None], _QUARTER_TURNS)
    likeness = np.abs(np.sum(candidates * nearest_to_xyzw[:, None], axis=2))
    best: NDArray[np.intp] = np.argmax(likeness, axis=1)
    return best


def upright(quat_xyzw: FloatArray, size_lwh_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same boxes, with their axes renamed so that z is the one that points up most.

    Boxes lifted from a camera's optical frame lie on their side; what a tracker calls yaw and
    height must not depend on that.

    Returns:
        quat_xyzw float64 [N, 4] and size_lwh_m float64 [N, 3].
    """
    up = matrix_from_quat(quat_xyzw)[:, 2]
    axis = np.argmax(np.abs(up), axis=1)
    down = (up[np.arange(len(up)), axis] < 0).astype(np.intp)
    quat = quat_multiply(quat_xyzw, _TURNS_TO_Z[axis, down])
    return quat, np.take_along_axis(size_lwh_m, _AXES_AFTER[axis], axis=1)
