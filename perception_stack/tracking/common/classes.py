"""What the tracked thing is: class probabilities, fused over time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.config import Row


@lru_cache(maxsize=64)
def columns_of(classes: tuple[str, ...], vocabulary: tuple[str, ...]) -> NDArray[np.intp]:
    """Where each of some classes stands in a vocabulary that has them all."""
    return np.array([vocabulary.index(name) for name in classes], dtype=np.intp)


def spread(
    probs: FloatArray, classes: tuple[str, ...], *, vocabulary: tuple[str, ...]
) -> FloatArray:
    """The same probabilities over a larger vocabulary.

    Args:
        probs: float64 [N, C].
        classes: C names, all in ``vocabulary``.
        vocabulary: V sorted names.

    Returns:
        float64 [N, V].
    """
    if classes == vocabulary:
        return probs
    wide = np.zeros((len(probs), len(vocabulary)))
    wide[:, columns_of(classes, vocabulary)] = probs
    return wide


@machine_code
def likelihood(probs: FloatArray, unknown: int, p: Row) -> FloatArray:
    """How well each class explains what a detector said, to compare things with each other.

    "Unknown" speaks for no class and against none: its share is spread evenly, and so is the
    share that detectors confuse.

    Args:
        probs: float64 [N, V], rows sum to 1.
        unknown: Column of "unknown".
        p: The share confused.

    Returns:
        float64 [N, V], rows sum to 1, nowhere zero.
    """
    return _explained(probs, unknown, p.class_confusion, 1.0)


@machine_code
def statement(probs: FloatArray, unknown: int, p: Row) -> FloatArray:
    """How well each class explains what a detector said, to be fused over time.

    As :func:`likelihood`, but "unknown" may also mean that the thing is none of the classes: half
    of its share stays with it. Otherwise a wall that is a truck with probability 0.1 and unknown
    with 0.9 would become a truck, given time.
    """
    return _explained(probs, unknown, p.class_confusion, 0.5)


@machine_code
def _explained(
    probs: FloatArray, unknown: int, class_confusion: float, could_not_tell: float
) -> FloatArray:
    """Of a share ``could_not_tell`` "unknown" speaks for every class alike."""
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
