"""Detections as they are: most as precise as stated, a few far less so.

The noise of a detection is a mixture of two normal distributions, the second one wider. A filter
that believes in the first alone is either too unsure of all or thrown off by the few.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.kernels.turns import squared_and_volume
from perception_stack.tracking.tracks import Row


@machine_code
def mixture(
    covariance: FloatArray, noise: FloatArray, residual: FloatArray, p: Row
) -> tuple[float, float, float]:
    """How a detection fits a prediction.

    Args:
        covariance: Of the prediction, float64 [>= N, >= N].
        noise: Of a precise detection, likewise.
        residual: float64 [N].
        p: Parameters.

    Returns:
        Log density but for the constant of N dimensions; probability of being imprecise; squared
        Mahalanobis distance as an imprecise one.
    """
    near, log_near = squared_and_volume(covariance, noise, 1.0, residual)
    far, log_far = squared_and_volume(covariance, noise, p.outlier_scale**2, residual)
    precise = np.log(1 - p.outlier_share) - 0.5 * (near + log_near)
    imprecise = np.log(p.outlier_share) - 0.5 * (far + log_far)
    density = np.logaddexp(precise, imprecise)
    return density, np.exp(imprecise - density), far
