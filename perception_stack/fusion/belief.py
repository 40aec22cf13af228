"""What two sensors together say of an object: existence and class by Bayes' rule.

The stated model of the 2-D detector, with C classes and existence probability ``p`` and class
probabilities ``q`` before:

* A detection with label k and score s of an object of class c has the likelihood s if k = c, else
  (1 - s) / (C - 1). Without an object it is a false alarm of any label, likelihood (1 - s) / C.
* Detectors have fewer names than there are things: a van is a car to most, a cyclist a pedestrian
  to those trained on COCO. A share w of such things is seen by the other name, k, which has the
  likelihood w s + (1 - w) (1 - s) / (C - 1) of them; what is measured of the size then decides.
* An object in view stays undetected with probability 1 - recall if the detector knows its class,
  where recall falls with the share hidden and with the height in the image; w times that if it
  knows it by another name only; for sure if not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, FloatArray
from perception_stack.shape.size_classes import CLASSES, USUAL

_LEAST = 1e-3  # no sensor is surer of anything than this
_CHOSEN_ODDS = 1 / 3  # there are about three sets of points to choose from
_NEGLIGIBLE = (
    0.01  # not worth a hypothesis in every message; LiDAR boxes have none below it either
)


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
    return _normalised(probs), everything


def of_chosen(
    class_probs: FloatArray, classes: tuple[str, ...], chosen: NDArray[np.bool_]
) -> FloatArray:
    """What the size says of things whose points were chosen for their size.

    A camera's box, right or wrong, is compared with several sets of points, and the one kept is
    that whose size fits best. So that it fits is less of a surprise, and the odds of all named
    classes are lower.

    Args:
        class_probs: float64 [N, C], by size alone.
        classes: C names, "unknown" among them.
        chosen: bool [N].

    Returns:
        float64 [N, C], rows sum to 1.
    """
    named = np.array([one != UNKNOWN for one in classes])
    joint = np.where(chosen[:, None] & named, _CHOSEN_ODDS, 1.0) * class_probs
    return _normalised(joint)


def of_cut(
    class_probs: FloatArray, classes: tuple[str, ...], cut: NDArray[np.bool_]
) -> FloatArray:
    """What the size says of things that a camera's box cut out of larger ones.

    A piece of a hedge has the size of the box that cut it out, which is that of what the detector
    looked for. So a size that fits says nothing, and one that does not speaks against as ever.

    Args:
        class_probs: float64 [N, C], by size alone.
        classes: C names of :data:`~perception_stack.shape.size_classes.CLASSES`, "unknown" among
            them.
        cut: bool [N].

    Returns:
        float64 [N, C], rows sum to 1.
    """
    usual = USUAL[[CLASSES.index(one) for one in classes]]
    unknown = classes.index(UNKNOWN)
    most = class_probs[:, [unknown]] * (usual / usual[unknown])
    joint = np.where(cut[:, None], np.minimum(class_probs, most), class_probs)
    return _normalised(joint)


def without_negligible(class_probs: FloatArray) -> FloatArray:
    """The same belief without what is as good as impossible, float64 [N, C], rows sum to 1."""
    kept = np.where(class_probs < _NEGLIGIBLE, 0.0, class_probs)
    return _normalised(kept)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What a 2-D detector calls things.

    Attributes:
        aliases: Pairs of a label and a class that bears it, too.
        alias_share: Share of the things of such a class that are called so.
    """

    aliases: tuple[tuple[str, str], ...]
    alias_share: float

    def meaning(self, labels: Sequence[str], classes: Sequence[str]) -> FloatArray:
        """Share of the things of each class that a label is the name of.

        Args:
            labels: N labels.
            classes: C names; a label that is not among them speaks for "unknown".

        Returns:
            float64 [N, C]: 1 for the class of that name, the share for its aliases, else 0.
        """
        known = [one if one in classes else UNKNOWN for one in labels]
        meaning = np.zeros((len(labels), len(classes)))
        meaning[np.arange(len(labels)), [classes.index(one) for one in known]] = 1.0
        for label, alias in self.aliases:
            if alias in classes:
                rows = [one == label for one in labels]
                column = classes.index(alias)
                meaning[rows, column] = np.maximum(meaning[rows, column], self.alias_share)
        return meaning

    def likelihood(
        self, labels: Sequence[str], score: FloatArray, classes: Sequence[str]
    ) -> FloatArray:
        """Likelihood of each class given detections.

        Args:
            labels: N labels.
            score: float64 [N].
            classes: C names.

        Returns:
            float64 [N, C].
        """
        sure = np.clip(score, _LEAST, 1 - _LEAST)[:, None]
        meaning = self.meaning(labels, classes)
        return meaning * sure + (1 - meaning) * (1 - sure) / max(len(classes) - 1, 1)


def seen(
    existence: FloatArray,
    class_probs: FloatArray,
    *,
    likelihood: FloatArray,
    score: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Existence and class probabilities of objects that a 2-D detection belongs to.

    Args:
        existence: float64 [N].
        class_probs: float64 [N, C].
        likelihood: float64 [N, C], of the detection, as :meth:`Naming.likelihood` gives it.
        score: float64 [N] of the detection.

    Returns:
        float64 [N] and float64 [N, C].
    """
    false_alarm = (1 - np.clip(score, _LEAST, 1 - _LEAST)) / class_probs.shape[1]
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


def _normalised(joint: FloatArray) -> FloatArray:
    told: FloatArray = joint / joint.sum(axis=1, keepdims=True)
    return told


def _updated(
    existence: FloatArray, class_probs: FloatArray, likelihood: FloatArray, without: FloatArray
) -> tuple[FloatArray, FloatArray]:
    joint = class_probs * likelihood
    evidence = joint.sum(axis=1)
    there = existence * evidence
    after: FloatArray = there / (there + (1 - existence) * without)
    return after, joint / evidence[:, None]
