"""Robust weights and the deviations of what a fit finds; shared by all kinds."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray

SETTLED = 1e-4
"""Metres and radians: a smaller step is the last one."""
BIAS_M = 0.001
"""What neighbouring pixels have in common: a face is never known better."""
_TUKEY = 4.685  # 95 % efficiency on normal errors (Beaton and Tukey 1974)


def tukey(residual: FloatArray) -> FloatArray:
    """Biweights of residuals in deviations, float64, same shape."""
    inside = np.clip(1 - (residual / _TUKEY) ** 2, 0.0, None)
    weight: FloatArray = inside**2
    return weight


def face_variance(sigma_m: float, num: float) -> float:
    """Variance of the place of a face on which so many points lie, m²."""
    return float(sigma_m**2 / max(num, 1.0) + BIAS_M**2)


def covariance(jacobian: FloatArray, weight: FloatArray, widest: FloatArray) -> FloatArray:
    """Covariance of what was fitted, float64 [K, K].

    Args:
        jacobian: float64 [N, K].
        weight: float64 [N], of the residuals.
        widest: float64 [K], deviations that are known without any point: what the points leave
            open is uncertain by the size of the thing, not by kilometres.
    """
    information = (jacobian * weight[:, None]).T @ jacobian + np.diag(1 / widest**2)
    return np.asarray(np.linalg.inv(information))


def solve(jacobian: FloatArray, residual: FloatArray, weight: FloatArray) -> FloatArray:
    """Step of weighted least squares, float64 [K]; the shortest where some are not determined."""
    square = (jacobian * weight[:, None]).T @ jacobian
    square[np.diag_indices_from(square)] += 1e-12
    return np.asarray(-np.linalg.lstsq(square, (jacobian * weight[:, None]).T @ residual)[0])
