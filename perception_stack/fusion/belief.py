"""What two sensors together say of an object: existence and class by Bayes' rule.

The stated model of the 2-D detector, with C classes and existence probability ``p`` and class
probabilities ``q`` before:

* A detection with label k and score s of an object of class c has the likelihood s if k = c, else
  (1 - s) / (C - 1). Without an object it is a false alarm of any label, likelihood (1 - s) / C.
* An object in view stays undetected with probability 1 - recall if the detector knows its class,
  where recall falls with the share hidden and with the height in the image; for sure if not.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, FloatArray

_LEAST = 1e-3  # no sensor is surer of anything than this


def widened(
    class_probs: FloatArray, classes: tuple[str, ...], labels: Iterable[str]
) -> tuple[FloatArray, tuple[str, ...]]:
    """The same belief over more classes: what is unknown may be any of the new ones.

    Args:
        class_probs: float64 [N, C], rows sum to 1.
        classes: C names.
        labels: Names that must be among the classes.

    Returns:
        float64 [N, D] without zeros, rows sum to 1, and the D names: those given, then the new
        ones in alphabetical order, "unknown" among them.
    """
    new = tuple(sorted({*labels, UNKNOWN} - set(classes)))
    everything = classes + new
    probs = np.zeros((len(class_probs), len(everything)))
    probs[:, : len(classes)] = class_probs
    if UNKNOWN in classes and new:
        unknown = classes.index(UNKNOWN)
        probs[:, unknown] /= 2
        probs[:, len(classes) :] = probs[:, [unknown]] / len(new)
    probs = np.maximum(probs, _LEAST)
    return probs / probs.sum(axis=1, keepdims=True), everything


def over(
    class_probs: FloatArray, classes: tuple[str, ...], vocabulary: tuple[str, ...]
) -> FloatArray:
    """The same belief over other classes; "unknown", one of them, takes what has no name there.

    Args:
        class_probs: float64 [N, C], rows sum to 1.
        classes: C names.
        vocabulary: D names.

    Returns:
        float64 [N, D] without zeros, rows sum to 1.
    """
    probs, everything = widened(class_probs, classes, vocabulary)
    column = [vocabulary.index(one if one in vocabulary else UNKNOWN) for one in everything]
    told = np.zeros((len(vocabulary), len(probs)))
    np.add.at(told, column, probs.T)
    return told.T


def label_likelihood(
    label_idx: NDArray[np.intp], score: FloatArray, num_classes: int
) -> FloatArray:
    """Likelihood of each class given detections' labels.

    Args:
        label_idx: int [N], column of each label.
        score: float64 [N].
        num_classes: C.

    Returns:
        float64 [N, C].
    """
    sure = np.clip(score, _LEAST, 1 - _LEAST)
    likelihood = np.repeat((1 - sure)[:, None], num_classes, axis=1) / max(num_classes - 1, 1)
    likelihood[np.arange(len(score)), label_idx] = sure
    return likelihood


def seen(
    existence: FloatArray,
    class_probs: FloatArray,
    *,
    label_idx: NDArray[np.intp],
    score: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Existence and class probabilities of objects that a 2-D detection belongs to.

    Args:
        existence: float64 [N].
        class_probs: float64 [N, C].
        label_idx: int [N], column of the detection's label.
        score: float64 [N] of the detection.

    Returns:
        float64 [N] and float64 [N, C].
    """
    num_classes = class_probs.shape[1]
    likelihood = label_likelihood(label_idx, score, num_classes)
    false_alarm = (1 - np.clip(score, _LEAST, 1 - _LEAST)) / num_classes
    return _updated(existence, class_probs, likelihood, false_alarm)


def missed(
    existence: FloatArray, class_probs: FloatArray, recall: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Existence and class probabilities of objects in view that no 2-D detection belongs to.

    Args:
        existence: float64 [N].
        class_probs: float64 [N, C].
        recall: float64 [N, C], probability that such an object would have been detected.

    Returns:
        float64 [N] and float64 [N, C].
    """
    return _updated(existence, class_probs, 1 - recall, np.ones(len(existence)))


def _updated(
    existence: FloatArray, class_probs: FloatArray, likelihood: FloatArray, without: FloatArray
) -> tuple[FloatArray, FloatArray]:
    joint = class_probs * likelihood
    evidence = joint.sum(axis=1)
    there = existence * evidence
    after: FloatArray = there / (there + (1 - existence) * without)
    return after, joint / evidence[:, None]
