"""How tracks move, along their axes and at all."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.kernels.turns import cholesky, write_axes


@machine_code
def along_motion(
    quat: FloatArray, twist: FloatArray, covariance: FloatArray, significant: float
) -> tuple[FloatArray, FloatArray]:
    """How far each box moves along its x and y axes, and how surely it moves at all.

    Args:
        quat: float64 [N, 4], unit.
        twist: float64 [N, 6].
        covariance: float64 [N, 12, 12].
        significant: Speed, in its own deviation, that counts half.

    Returns:
        float64 [N, 2], the cosines with either axis, less the less significant the speed; and the
        squared Mahalanobis distance of the velocity from zero, float64 [N].
    """
    along, squared = np.empty((len(quat), 2)), np.zeros(len(quat))
    axes, factor, white = np.empty((3, 3)), np.empty((3, 3)), np.empty(3)
    for n in range(len(quat)):
        write_axes(quat[n], axes)
        variance, speed2 = 0.0, 0.0
        for k in range(2):
            along[n, k] = 0.0
            for i in range(3):
                along[n, k] += axes[i, k] * twist[n, i]
            speed2 += along[n, k] ** 2
        for i in range(3):
            variance += covariance[n, 6 + i, 6 + i] / 3
            white[i] = twist[n, i]
            for j in range(3):
                factor[i, j] = covariance[n, 6 + i, 6 + j]
        weight = np.sqrt(speed2) / (speed2 + significant**2 * variance)
        along[n, 0] *= weight
        along[n, 1] *= weight
        cholesky(factor, 3)
        for i in range(3):
            for j in range(i):
                white[i] -= factor[i, j] * white[j]
            white[i] /= factor[i, i]
            squared[n] += white[i] ** 2
    return along, squared
