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
    column = vocabulary.index(UNKNOWN)
    told = probs.copy()
    told[:, column] *= 1 - could_not_tell
    told += could_not_tell * probs[:, [column]] / len(vocabulary)
    return (1 - config.class_confusion) * told + config.class_confusion / len(vocabulary)


def fused(
    probs: FloatArray, like: FloatArray, unseen_s: FloatArray, config: TrackerConfig
) -> FloatArray:
    """Class probabilities after one more detection (Bayes with forgetting).

    Old evidence is raised to a power that falls with its age, so that early errors are forgotten,
    and never outweighs more than two clear detections of another class.

    Args:
        probs: float64 [N, V], of the tracks.
        like: float64 [N, V], as :func:`statement` gives it.
        unseen_s: float64 [N], time since the track's last detection.
        config: Memory and confusion.

    Returns:
        float64 [N, V], rows sum to 1.
    """
    floor = config.class_confusion**2
    weight = np.exp(-unseen_s / config.class_memory_s)[:, None]
    posterior = ((1 - floor) * probs + floor / probs.shape[1]) ** weight * like
    normalised: FloatArray = posterior / np.sum(posterior, axis=1, keepdims=True)
    return normalised


def compatibility(first: FloatArray, second: FloatArray) -> FloatArray:
    """Probability that two things are of one class, relative to not knowing, row by row.

    Args:
        first: float64 [K, V], as :func:`likelihood` gives it.
        second: float64 [K, V], likewise.

    Returns:
        float64 [K]; 1 where nothing is known, up to V where both are sure of the same.
    """
    same: FloatArray = np.sum(first * second, axis=1) * first.shape[1]
    return same
