"""Rigid transforms that know their frames, and the rotations below them.

A transform is named by target first, ``base_from_camera``, so that chains read off:
``map_from_camera = map_from_base @ base_from_camera``. Quaternions are (x, y, z, w).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_shape
from perception_stack.errors import CalibrationError, FrameMismatchError

_ORTHONORMAL_TOLERANCE = 1e-6


def matrix_from_quat(quat_xyzw: FloatArray) -> FloatArray:
    """Rotation matrices of quaternions of any length but zero.

    Args:
        quat_xyzw: float64 [..., 4].

    Returns:
        float64 [..., 3, 3].
    """
    quat = np.asarray(quat_xyzw, dtype=np.float64)
    x, y, z, w = np.moveaxis(quat / np.linalg.norm(quat, axis=-1, keepdims=True), -1, 0)
    matrix = np.empty((*quat.shape[:-1], 3, 3))
    matrix[..., 0, 0] = 1 - 2 * (y * y + z * z)
    matrix[..., 0, 1] = 2 * (x * y - z * w)
    matrix[..., 0, 2] = 2 * (x * z + y * w)
    matrix[..., 1, 0] = 2 * (x * y + z * w)
    matrix[..., 1, 1] = 1 - 2 * (x * x + z * z)
    matrix[..., 1, 2] = 2 * (y * z - x * w)
    matrix[..., 2, 0] = 2 * (x * z - y * w)
    matrix[..., 2, 1] = 2 * (y * z + x * w)
    matrix[..., 2, 2] = 1 - 2 * (x * x + y * y)
    return matrix


def quat_from_matrix(matrix: FloatArray) -> FloatArray:
    """Unit quaternions of rotation matrices, with w >= 0.

    The largest of the four squared components is divided by, so no angle loses precision
    (Shepperd 1978).

    Args:
        matrix: float64 [..., 3, 3].

    Returns:
        float64 [..., 4], (x, y, z, w).
    """
    m = np.asarray(matrix, dtype=np.float64)
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    # 4 q qᵀ, of which the row with the largest diagonal is the quaternion up to scale
    outer = np.empty((*m.shape[:-2], 4, 4))
    outer[..., 3, 3] = 1 + trace
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        outer[..., i, i] = 1 - trace + 2 * m[..., i, i]
        outer[..., i, j] = outer[..., j, i] = m[..., i, j] + m[..., j, i]
        outer[..., i, 3] = outer[..., 3, i] = m[..., k, j] - m[..., j, k]
    best = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    quat = np.take_along_axis(outer, best[..., None, None], axis=-2)[..., 0, :]
    quat = quat / np.linalg.norm(quat, axis=-1, keepdims=True)
    flipped: FloatArray = np.where(quat[..., 3:] < 0, -quat, quat)
    return flipped


def quat_from_yaw(yaw_rad: FloatArray | float) -> FloatArray:
    """Unit quaternions of turns about z.

    Args:
        yaw_rad: float64 [...].

    Returns:
        float64 [..., 4].
    """
    half = np.asarray(yaw_rad, dtype=np.float64) / 2
    zero = np.zeros_like(half)
    return np.stack([zero, zero, np.sin(half), np.cos(half)], axis=-1)


def yaw_from_quat(quat_xyzw: FloatArray) -> FloatArray:
    """Direction of the rotated x axis in the x-y plane.

    Args:
        quat_xyzw: float64 [..., 4], unit.

    Returns:
        float64 [...], radians in [-pi, pi].
    """
    x, y, z, w = np.moveaxis(np.asarray(quat_xyzw, dtype=np.float64), -1, 0)
    yaw: FloatArray = np.arctan2(2 * (x * y + z * w), 1 - 2 * (y * y + z * z))
    return yaw


def quat_multiply(left_xyzw: FloatArray, right_xyzw: FloatArray) -> FloatArray:
    """Hamilton product: the rotation ``right`` followed by ``left``.

    Args:
        left_xyzw: float64 [..., 4].
        right_xyzw: float64 [..., 4], broadcast against ``left_xyzw``.

    Returns:
        float64 [..., 4].
    """
    x1, y1, z1, w1 = np.moveaxis(np.asarray(left_xyzw, dtype=np.float64), -1, 0)
    x2, y2, z2, w2 = np.moveaxis(np.asarray(right_xyzw, dtype=np.float64), -1, 0)
    return np.stack(
        [
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
        ],
        axis=-1,
    )


def slerp(start_xyzw: FloatArray, end_xyzw: FloatArray, fraction: float) -> FloatArray:
    """Shortest-way spherical interpolation of two unit quaternions (Shoemake 1985).

    Args:
        start_xyzw: float64 [4], the result at 0.
        end_xyzw: float64 [4], the result at 1 (or its negative, the same rotation).
        fraction: In [0, 1].

    Returns:
        float64 [4], unit.
    """
    cosine = float(start_xyzw @ end_xyzw)
    sign = -1.0 if cosine < 0 else 1.0
    angle = float(np.arccos(min(abs(cosine), 1.0)))
    if angle < 1e-9:
        mixed = (1 - fraction) * start_xyzw + fraction * sign * end_xyzw
    else:
        mixed = (
            np.sin((1 - fraction) * angle) * start_xyzw
            + sign * np.sin(fraction * angle) * end_xyzw
        )
    unit: FloatArray = mixed / np.linalg.norm(mixed)
    return unit


def nearest_rotation(matrix: FloatArray, what: str, *, within: float) -> FloatArray:
    """The rotation that a matrix means whose digits were rounded when it was written.

    Args:
        matrix: float64 [3, 3].
        what: Its name, for the error.
        within: Farthest that any of its numbers may be from the rotation's.

    Raises:
        CalibrationError: it is farther from any rotation, or not finite.
    """
    error = np.inf
    if np.isfinite(matrix).all():
        left, _, right = np.linalg.svd(matrix)
        rotation: FloatArray = left @ right
        error = float(np.abs(rotation - matrix).max())
    if error > within or np.linalg.det(rotation) < 0:
        raise CalibrationError(f"{what} is not a rotation (error {error:.2g})")
    return rotation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RigidTransform:
    """Takes coordinates in ``source`` to coordinates in ``target``.

    Attributes:
        target: Frame of the result (the parent, as TF calls it).
        source: Frame of the input (the child).
        rotation: float64 [3, 3], proper rotation.
        translation_m: float64 [3], origin of ``source`` in ``target``.

    Raises:
        CalibrationError: the rotation is not a rotation, or something is not finite.
    """

    target: str
    source: str
    rotation: FloatArray
    translation_m: FloatArray

    def __post_init__(self) -> None:
        check_shape("rotation", self.rotation, 3, 3)
        check_shape("translation_m", self.translation_m, 3)
        error = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max()
        # written so that NaN fails
        if not (error < _ORTHONORMAL_TOLERANCE and np.linalg.det(self.rotation) > 0):
            msg = f"{self.target} <- {self.source}: not a rotation (error {error:.2g})"
            raise CalibrationError(msg)
        if not np.isfinite(self.translation_m).all():
            msg = f"{self.target} <- {self.source}: translation {self.translation_m} is not finite"
            raise CalibrationError(msg)

    @classmethod
    def from_quat(
        cls, *, target: str, source: str, quat_xyzw: FloatArray, translation_m: FloatArray
    ) -> RigidTransform:
        """Transform of a quaternion and a translation, as TF messages hold them.

        Raises:
            CalibrationError: the quaternion is not of unit length within 1e-3.
        """
        quat = np.asarray(quat_xyzw, dtype=np.float64)
        check_shape("quat_xyzw", quat, 4)
        norm = float(np.linalg.norm(quat))
        if not abs(norm - 1) < 1e-3:
            msg = f"{target} <- {source}: quaternion has length {norm:.4g}, not 1"
            raise CalibrationError(msg)
        return cls(
            target=target,
            source=source,
            rotation=matrix_from_quat(quat),
            translation_m=np.asarray(translation_m, dtype=np.float64),
        )

    @classmethod
    def from_matrix(cls, matrix: FloatArray, *, target: str, source: str) -> RigidTransform:
        """Transform of a homogeneous matrix, float64 [4, 4] or [3, 4]."""
        return cls(
            target=target,
            source=source,
            rotation=np.array(matrix[:3, :3], dtype=np.float64),
            translation_m=np.array(matrix[:3, 3], dtype=np.float64),
        )

    @property
    def quat_xyzw(self) -> FloatArray:
        """Unit quaternion of the rotation, float64 [4], w >= 0."""
        return quat_from_matrix(self.rotation)

    @property
    def matrix(self) -> FloatArray:
        """Homogeneous matrix, float64 [4, 4]."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation
        matrix[:3, 3] = self.translation_m
        return matrix

    def inverse(self) -> RigidTransform:
        """The transform that takes ``target`` to ``source``."""
        return RigidTransform(
            target=self.source,
            source=self.target,
            rotation=self.rotation.T,
            translation_m=-self.rotation.T @ self.translation_m,
        )

    def __matmul__(self, other: RigidTransform) -> RigidTransform:
        """Chain: ``a_from_b @ b_from_c`` is ``a_from_c``.

        Raises:
            FrameMismatchError: the inner frames differ.
        """
        if self.source != other.target:
            what = f"{self.target} <- {self.source} chained with {other.target} <- {other.source}"
            raise FrameMismatchError(what, expected=self.source, received=other.target)
        return RigidTransform(
            target=self.target,
            source=other.source,
            rotation=self.rotation @ other.rotation,
            translation_m=self.rotation @ other.translation_m + self.translation_m,
        )

    def apply(self, points_m: NDArray[Any]) -> NDArray[Any]:
        """Points in ``target``, in the dtype they came in.

        Args:
            points_m: float32 or float64 [..., 3] in ``source``; NaN stays NaN.
        """
        dtype = points_m.dtype
        moved: NDArray[Any] = points_m @ self.rotation.T.astype(dtype)
        moved += self.translation_m.astype(dtype)
        return moved


def level_from(frame_id: str, up: FloatArray) -> RigidTransform:
    """The shortest turn that makes "up" the z axis; frame and origin keep their name and place.

    Raises:
        CalibrationError: ``up`` is not a unit vector.
    """
    x, y, z = up
    if z < 0:  # first a half turn about x
        half = level_from(frame_id, np.array([x, -y, -z]))
        return replace(half, rotation=half.rotation @ np.diag([1.0, -1.0, -1.0]))
    # Rodrigues' formula about up x z, without the angle
    cross = np.array([[0.0, 0, -x], [0, 0, -y], [x, y, 0]])
    rotation = np.eye(3) + cross + cross @ cross / (1 + z)
    return RigidTransform(
        target=frame_id, source=frame_id, rotation=rotation, translation_m=np.zeros(3)
    )
