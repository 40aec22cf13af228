"""What the tracked thing is: class probabilities fused over time."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import UNKNOWN, FloatArray
from perception_stack.tracking.config import TrackerConfig


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
    wide[:, [vocabulary.index(name) for name in classes]] = probs
    return wide


def likelihood(
    probs: FloatArray, vocabulary: tuple[str, ...], config: TrackerConfig
) -> FloatArray:
    """How well each class explains what a detector said, to compare things with each other.

    "Unknown" speaks for no class and against none: its share is spread evenly, and so is the
    share that detectors confuse.

    Args:
        probs: float64 [N, V], rows sum to 1.
        vocabulary: V names, "unknown" among them.
        config: The share confused.

    Returns:
        float64 [N, V], rows sum to 1, nowhere zero.
    """
    return _likelihood(probs, vocabulary, config, could_not_tell=1.0)


def statement(probs: FloatArray, vocabulary: tuple[str, ...], config: TrackerConfig) -> FloatArray:
    """How well each class explains what a detector said, to be fused over time.

    As :func:`likelihood`, but "unknown" may also mean that the thing is none of the classes: half
    of its share stays with it. Otherwise a wall that is a truck with probability 0.1 and unknown
    with 0.9 would become a truck, given time.

    Args:
        probs: float64 [N, V], rows sum to 1.
        vocabulary: V names, "unknown" among them.
        config: The share confused.

    Returns:
        float64 [N, V], rows sum to 1, nowhere zero.
    """
    return _likelihood(probs, vocabulary, config, could_not_tell=0.5)


def _likelihood(
    probs: FloatArray, vocabulary: tuple[str, ...], config: TrackerConfig, *, could_not_tell: float
) -> FloatArray:
    from perception_stack.tracking.kernels.classes import explained

    return explained(probs, vocabulary.index(UNKNOWN), config.class_confusion, could_not_tell)
