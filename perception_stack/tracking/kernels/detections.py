"""Detections set upright, with their noise."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.heading import UNKNOWN_HEADING_RAD
from perception_stack.tracking.kernels.turns import write_axes

_ROOT_HALF = np.sqrt(0.5)
# turns that bring axis x, y, z (row) pointing up or down (column) to z
_TURNS_TO_Z = np.array(
    [
        [[0, _ROOT_HALF, 0, _ROOT_HALF], [0, -_ROOT_HALF, 0, _ROOT_HALF]],
        [[-_ROOT_HALF, 0, 0, _ROOT_HALF], [_ROOT_HALF, 0, 0, _ROOT_HALF]],
        [[0, 0, 0, 1], [1, 0, 0, 0]],
    ]
)
_AXES_AFTER = np.array([[2, 1, 0], [0, 2, 1], [0, 1, 2]])


@machine_code
def prepared(
    quat: FloatArray, size: FloatArray, covariance: FloatArray, floor: tuple[float, float, float]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Detections set upright, with their noise; see :mod:`measurements`.

    Args:
        quat: float64 [M, 4], not zero.
        size: float64 [M, 3].
        covariance: float64 [M, 6, 6].
        floor: Noise of the place per size, of the rotation in radians, and of a yaw of which only
            the axes are known.

    Returns:
        quat float64 [M, 4], size [M, 3], noise [M, 6, 6], variance of ends not seen [M, 3].
    """
    num = len(quat)
    out_quat, out_size, ends = np.empty((num, 4)), np.empty((num, 3)), np.zeros((num, 3))
    noise, axes = np.empty((num, 6, 6)), np.empty((3, 3))
    for n in range(num):
        unit = quat[n] / np.sqrt(np.sum(quat[n] ** 2))
        write_axes(unit, axes)
        up = 2
        for k in range(2):
            # z unless another axis points up clearly more
            if abs(axes[2, k]) > abs(axes[2, up]) + 1e-9:
                up = k
        turn = _TURNS_TO_Z[up, 1 if axes[2, up] < 0 else 0]
        x, y, z, w = unit
        a, b, c, d = turn
        out_quat[n, 0] = w * a + x * d + y * c - z * b
        out_quat[n, 1] = w * b - x * c + y * d + z * a
        out_quat[n, 2] = w * c + x * b - y * a + z * d
        out_quat[n, 3] = w * d - x * a - y * b - z * c
        place_m2 = 0.0
        for k in range(3):
            out_size[n, k] = size[n, _AXES_AFTER[up, k]]
            place_m2 += (floor[0] * size[n, k]) ** 2
        for i in range(6):
            for j in range(6):
                noise[n, i, j] = 0.5 * (covariance[n, i, j] + covariance[n, j, i])
        if noise[n, 5, 5] > UNKNOWN_HEADING_RAD**2:
            noise[n, 5, :] = 0.0
            noise[n, :, 5] = 0.0
            noise[n, 5, 5] = floor[2] ** 2
        for i in range(6):
            noise[n, i, i] += place_m2 if i < 3 else floor[1] ** 2
        write_axes(out_quat[n], axes)
        for k in range(3):
            for i in range(3):
                for j in range(3):
                    ends[n, k] += 4 * axes[i, k] * noise[n, i, j] * axes[j, k]
    return out_quat, out_size, noise, ends
