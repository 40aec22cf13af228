"""Small turns, axes and triangular factors, one row at a time."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code

_ROOT_HALF = np.sqrt(0.5)
# sine and cosine of half of k quarter turns
_QUARTERS = np.array([[0.0, 1.0], [_ROOT_HALF, _ROOT_HALF], [1.0, 0.0], [-_ROOT_HALF, _ROOT_HALF]])


@machine_code
def turned_quat(quat: FloatArray, vector: FloatArray) -> tuple[float, float, float, float]:
    """A unit quaternion turned further by a rotation vector about the fixed axes."""
    half = 0.5 * np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    factor = 0.5 if half < 1e-9 else 0.5 * np.sin(half) / half
    x, y, z, w = factor * vector[0], factor * vector[1], factor * vector[2], np.cos(half)
    a, b, c, d = quat
    p = w * a + x * d + y * c - z * b
    q = w * b - x * c + y * d + z * a
    r = w * c + x * b - y * a + z * d
    s = w * d - x * a - y * b - z * c
    norm = 1.0 / np.sqrt(p * p + q * q + r * r + s * s)
    return p * norm, q * norm, r * norm, s * norm


@machine_code
def write_turn_between(start: FloatArray, end: FloatArray, vector: FloatArray) -> None:
    """Write the shortest rotation vector about the fixed axes that takes one to the other."""
    a, b, c, d = -start[0], -start[1], -start[2], start[3]
    x, y, z, w = end
    p = w * a + x * d + y * c - z * b
    q = w * b - x * c + y * d + z * a
    r = w * c + x * b - y * a + z * d
    s = w * d - x * a - y * b - z * c
    sine = np.sqrt(p * p + q * q + r * r)
    factor = 2.0 if sine < 1e-12 else 2.0 * np.arctan2(sine, abs(s)) / sine
    if s < 0:
        factor = -factor
    vector[0], vector[1], vector[2] = factor * p, factor * q, factor * r


@machine_code
def write_axes(quat: FloatArray, axes: FloatArray) -> None:
    """Write the rotation matrix of a unit quaternion."""
    x, y, z, w = quat
    axes[0, 0], axes[1, 1] = 1 - 2 * (y * y + z * z), 1 - 2 * (x * x + z * z)
    axes[2, 2] = 1 - 2 * (x * x + y * y)
    axes[0, 1], axes[1, 0] = 2 * (x * y - z * w), 2 * (x * y + z * w)
    axes[0, 2], axes[2, 0] = 2 * (x * z + y * w), 2 * (x * z - y * w)
    axes[1, 2], axes[2, 1] = 2 * (y * z - x * w), 2 * (y * z + x * w)


@machine_code
def write_upright(quat: FloatArray, share: float, matrix: FloatArray) -> None:
    """Write the unit matrix, with the square of a share along a box's own z axis."""
    axes = np.empty((3, 3))
    write_axes(quat, axes)
    for i in range(3):
        for j in range(3):
            matrix[i, j] = (share**2 - 1) * axes[i, 2] * axes[j, 2]
        matrix[i, i] += 1.0


@machine_code
def turn_on(quat: FloatArray, quarters: int) -> None:
    """Turn a rotation by quarters about its own z, in place."""
    x, y, z, w = quat
    s, c = _QUARTERS[quarters % 4]
    quat[0], quat[1], quat[2], quat[3] = c * x + s * y, c * y - s * x, c * z + s * w, c * w - s * z


@machine_code
def turn_by_quarters(quat: FloatArray, nearest_to: FloatArray) -> int:
    """Turn a rotation by quarters about its z to be nearest to another; returns how many."""
    x, y, z, w = quat
    best, quarters = -1.0, 0
    for k in range(4):
        s, c = _QUARTERS[k]
        likeness = abs(
            nearest_to[0] * (c * x + s * y)
            + nearest_to[1] * (c * y - s * x)
            + nearest_to[2] * (c * z + s * w)
            + nearest_to[3] * (c * w - s * z)
        )
        if likeness > best + 1e-9:
            best, quarters = likeness, k
    turn_on(quat, quarters)
    return quarters


@machine_code
def cholesky(matrix: FloatArray, num: int) -> bool:
    """Overwrite the lower triangle of a matrix with its factor; False if not positive definite."""
    for j in range(num):
        for i in range(j, num):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                if not total > 0:
                    return False
                matrix[j, j] = np.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    return True


@machine_code
def squared_and_volume(
    covariance: FloatArray, noise: FloatArray, scale: float, residual: FloatArray
) -> tuple[float, float]:
    """Squared Mahalanobis distance and log determinant under covariance plus scaled noise.

    Args:
        covariance: float64 [>= N, >= N], its first N rows and columns count.
        noise: float64 [>= N, >= N], likewise.
        scale: Factor of the noise.
        residual: float64 [N].
    """
    num = len(residual)
    factor, white = np.empty((num, num)), np.empty(num)
    squared, log_volume = 0.0, 0.0
    for i in range(num):
        for j in range(num):
            factor[i, j] = covariance[i, j] + scale * noise[i, j]
    cholesky(factor, num)
    for i in range(num):
        white[i] = residual[i]
        for j in range(i):
            white[i] -= factor[i, j] * white[j]
        white[i] /= factor[i, i]
        squared += white[i] ** 2
        log_volume += 2 * np.log(factor[i, i])
    return squared, log_volume


@machine_code
def swap_sides(sides: FloatArray) -> None:
    """What belongs to length, width and height, once a box is turned by a quarter."""
    sides[0], sides[1] = sides[1], sides[0]
