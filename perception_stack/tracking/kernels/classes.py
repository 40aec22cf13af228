"""Class probabilities; see :mod:`tracking.classification`."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.tracks import Row


@machine_code
def explained(
    probs: FloatArray, unknown: int, class_confusion: float, could_not_tell: float
) -> FloatArray:
    """How well each class explains what detectors said, float64 [N, V].

    Args:
        probs: float64 [N, V].
        unknown: Column of "unknown".
        class_confusion: Share that may be any class.
        could_not_tell: Share of "unknown" that speaks for every class alike.
    """
    num, num_classes = probs.shape
    like = np.empty((num, num_classes))
    for n in range(num):
        even = could_not_tell * probs[n, unknown] / num_classes
        for v in range(num_classes):
            told = probs[n, v]
            if v == unknown:
                told *= 1 - could_not_tell
            like[n, v] = (1 - class_confusion) * (told + even) + class_confusion / num_classes
    return like


@machine_code
def fuse(probs: FloatArray, like: FloatArray, unseen_s: float, p: Row) -> None:
    """Class probabilities [V] after one more detection, in place."""
    floor = p.class_confusion**2
    weight = np.exp(-unseen_s / p.class_memory_s)
    total = 0.0
    for v in range(len(probs)):
        probs[v] = ((1 - floor) * probs[v] + floor / len(probs)) ** weight * like[v]
        total += probs[v]
    for v in range(len(probs)):
        probs[v] /= total


@machine_code
def compatibility(first: FloatArray, second: FloatArray) -> float:
    """Probability that two things are of one class, relative to not knowing.

    Args:
        first: float64 [V], how well each class explains the one.
        second: float64 [V], and the other.

    Returns:
        1 where nothing is known, up to V where both are sure of the same.
    """
    return float(np.sum(first * second) * len(first))
