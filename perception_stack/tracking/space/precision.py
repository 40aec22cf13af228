"""How precise the detections of a track are: most as stated, some more, a few far less.

A detector states how precise its boxes are on the average of all things. Those of one thing (a car
in full view, one behind a hedge) are better or worse, frame after frame. The noise of a detection
is a mixture of normal distributions, one for each level of precision, and each track learns which
are its own. A filter that believes in one level alone is either too unsure of most or thrown off
by the few.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.config import Row
from perception_stack.tracking.space.tracks import NUM_LEVELS
from perception_stack.tracking.space.turns import squared_and_volume


@machine_code
def forget(level_probs: FloatArray, dt_s: float, p: Row) -> None:
    """What was learned of the levels fades to what is usual, in place."""
    kept = np.exp(-dt_s / p.precision_memory_s)
    for k in range(NUM_LEVELS):
        level_probs[k] = p.level_share[k] + kept * (level_probs[k] - p.level_share[k])


@machine_code
def expected_scale2(level_probs: FloatArray, p: Row) -> float:
    """Factor of the stated noise that is expected."""
    scale2 = 0.0
    for k in range(NUM_LEVELS):
        scale2 += level_probs[k] * p.level_scale2[k]
    return scale2


@machine_code
def mixture(
    covariance: FloatArray,
    noise: FloatArray,
    residual: FloatArray,
    level_probs: FloatArray,
    p: Row,
) -> tuple[float, float]:
    """How a detection fits a prediction.

    Args:
        covariance: Of the prediction, float64 [>= N, >= N].
        noise: Of a detection as stated, likewise.
        residual: float64 [N].
        level_probs: float64 [L], of the levels before the detection; those after it are written.
        p: Parameters.

    Returns:
        Log density but for the constant of N dimensions; squared Mahalanobis distance at the
        lowest precision.
    """
    density, squared = -np.inf, 0.0
    for k in range(NUM_LEVELS):
        squared, log_volume = squared_and_volume(covariance, noise, p.level_scale2[k], residual)
        level_probs[k] = np.log(level_probs[k]) - 0.5 * (squared + log_volume)
        density = np.logaddexp(density, level_probs[k])
    for k in range(NUM_LEVELS):
        level_probs[k] = np.exp(level_probs[k] - density)
    return density, squared
