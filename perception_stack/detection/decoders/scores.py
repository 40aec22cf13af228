"""Class scores that some exports give as probabilities and others before the sigmoid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.detection.manifest import Manifest
from perception_stack.errors import ModelLoadError

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


def strong(raw: NDArray[np.floating], least: float) -> NDArray[np.intp]:
    """Rows of raw scores [N] that reach a least one, or are no number."""
    return np.flatnonzero(~(raw < least))


def of_labels(labels: NDArray[Any], raw: NDArray[np.floating], manifest: Manifest) -> FloatArray:
    """Scores by class of objects that come with a label and a raw score, float64 [N, C].

    Raises:
        ModelLoadError: a label that is none of the manifest's classes.
    """
    class_idx, num_classes = labels.astype(np.int64), len(manifest.classes)
    if ((class_idx < 0) | (class_idx >= num_classes)).any():
        why = f"it found label {class_idx.max()}, the manifest has classes 0 to {num_classes - 1}"
        raise ModelLoadError(manifest.file, why)
    by_class = np.zeros((len(class_idx), num_classes))
    by_class[np.arange(len(class_idx)), class_idx] = probabilities(raw, manifest)
    return by_class
