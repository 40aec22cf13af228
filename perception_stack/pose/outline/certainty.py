"""Probability that a pose found by its outline is right, from the evidence for and against it.

A logistic regression on poses found on simulated tables with few depths or none, where right means
an ADD-S below a tenth of the diameter. ``benchmarks/pose_outline.py --weights`` finds the weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.pose.outline.fitting import OutlineEvidence

_LITTLE = 0.03
_WEIGHTS: Mapping[str, float] = {
    "fit": 2.118,
    "contrast": 0.734,
    "log_open": 3.125,
    "log_through": -0.886,
    "log_pixels": 0.197,
    "constant": -4.241,
}


def features_of(evidence: OutlineEvidence) -> dict[str, FloatArray]:
    """What log odds are a weighted sum of, by name."""
    return {
        "fit": evidence.fit,
        "contrast": evidence.contrast,
        "log_open": np.log(evidence.open + _LITTLE),
        "log_through": np.log(evidence.through + _LITTLE),
        "log_pixels": evidence.log_pixels,
    }


def certainty(evidence: OutlineEvidence) -> FloatArray:
    """Probability of being right of the best pose of a search, float64 [H]."""
    features = features_of(evidence)
    odds = sum((_WEIGHTS[name] * value for name, value in features.items()), _WEIGHTS["constant"])
    return np.asarray(1 / (1 + np.exp(-odds)))
