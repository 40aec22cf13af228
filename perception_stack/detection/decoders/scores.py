"""Class scores that some exports give as probabilities and others before the sigmoid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.detection.manifest import Manifest

# float32 logits next to the threshold are left to the exact comparison of their probabilities
_SLACK = 1e-5


def probabilities(raw: NDArray[np.floating], manifest: Manifest) -> FloatArray:
    """Scores in [0, 1], float64, of the same shape."""
    values = raw.astype(np.float64)
    if not manifest.logits:
        return values
    found: FloatArray = 1 / (1 + np.exp(-np.clip(values, -500, 500)))
    return found


def least_raw(least: float, manifest: Manifest) -> float:
    """A value below which no raw score has the probability ``least``."""
    if not manifest.logits:
        return least
    with np.errstate(divide="ignore"):
        return float(np.log(least) - np.log1p(-least)) - _SLACK
