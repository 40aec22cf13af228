"""Probability that a pose is right, from the evidence for and against it.

Two logistic regressions on poses that the search found on simulated tables, where right means an
ADD-S below a tenth of the diameter. The first tells right from wrong among all candidates of a
search: poses are chosen by it. The second is for the chosen ones only, which are no chance sample
of the candidates, and is the probability that is reported. ``benchmarks/pose_certainty.py`` finds
the weights and says how well they hold on other tables.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.pose.verification import Evidence

Weights = Mapping[str, float]

_CHOICE: Mapping[bool, Weights] = {  # by whether the whole frame is searched
    False: {
        "log_violated": -1.398,
        "log_unconfirmed": 0.855,
        "close_log_violated": 1.266,
        "close_log_unconfirmed": -3.933,
        "log_visible": -0.193,
        "bounded": 9.854,
        "log_filled": 6.19,
        "rms": -7.497,
        "log_pixels": 0.615,
        "constant": -12.423,
    },
    True: {
        "log_violated": -0.877,
        "log_unconfirmed": -0.434,
        "close_log_violated": 0.309,
        "close_log_unconfirmed": 0.019,
        "log_visible": 1.096,
        "bounded": 19.354,
        "rms": -9.248,
        "log_pixels": 0.553,
        "constant": -22.225,
    },
}
_CERTAINTY: Mapping[bool, Weights] = {
    False: {
        "log_violated": -2.351,
        "log_unconfirmed": -1.012,
        "log_visible": 0.314,
        "bounded": 34.561,
        "log_filled": 9.352,
        "rms": -0.701,
        "constant": -39.354,
    },
    # log odds of the fit times 1.37 plus 0.33, since claims are ordered by pixels as well
    True: {
        "log_violated": -0.867,
        "log_unconfirmed": -2.9,
        "log_visible": 0.799,
        "bounded": 74.073,
        "rms": -8.284,
        "constant": -74.786,
    },
}


def rough_log_odds(evidence: Evidence, *, whole_frame: bool) -> FloatArray:
    """Log odds of poses that are not yet where they fit best; to choose which to go on with."""
    return _sum(_CHOICE[whole_frame], evidence.features())


def choice_log_odds(evidence: Evidence, closely: Evidence, *, whole_frame: bool) -> FloatArray:
    """Log odds of candidates; to choose by.

    Args:
        evidence: By the tolerance of the search.
        closely: By that of the sensor's noise.
        whole_frame: Whether nothing said where the object is.
    """
    return _sum(_CHOICE[whole_frame], features_of(evidence, closely))


def certainty(evidence: Evidence, closely: Evidence, *, whole_frame: bool) -> FloatArray:
    """Probability of being right of poses that were chosen; as :func:`choice_log_odds`."""
    odds = _sum(_CERTAINTY[whole_frame], features_of(evidence, closely))
    return np.asarray(1 / (1 + np.exp(-odds)))


def features_of(evidence: Evidence, closely: Evidence) -> dict[str, FloatArray]:
    """All features of poses, by name."""
    close = {f"close_{name}": value for name, value in closely.features().items()}
    return {**evidence.features(), **close}


def _sum(weights: Weights, features: Mapping[str, FloatArray]) -> FloatArray:
    total = np.full(len(features["rms"]), weights["constant"])
    for name, weight in weights.items():
        if name in features:
            total += weight * features[name]
    return total
