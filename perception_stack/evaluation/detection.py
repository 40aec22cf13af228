"""Average precision, and precision and recall at any score, of boxes without identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_shape
from perception_stack.evaluation.sequences import EPSILON

_NUM_RECALL_POINTS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionFrame:
    """One frame of one class.

    Attributes:
        similarity: float64 [T, O] of truth and detections, in [0, 1].
        score: float64 [O], how sure the detector is.
        ignored_truth: bool [T]; a detection on one of these is neither right nor wrong.
        unlabelled: bool [O]; if unmatched, such a detection is no false alarm.
    """

    similarity: FloatArray
    score: FloatArray
    ignored_truth: NDArray[np.bool_]
    unlabelled: NDArray[np.bool_]

    def __post_init__(self) -> None:
        check_shape("similarity", self.similarity, len(self.ignored_truth), len(self.score))
        check_shape("unlabelled", self.unlabelled, len(self.score))


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRecall:
    """Precision and recall when only the surest k detections are kept, for every k.

    Attributes:
        num_truth: True boxes that count.
        score: float64 [K], falling; scores of the detections that count.
        precision: float64 [K].
        recall: float64 [K], rising; all zero where there is no truth.
    """

    num_truth: int
    score: FloatArray
    precision: FloatArray
    recall: FloatArray

    @property
    def average_precision(self) -> float:
        """Mean over recall 1/40 … 40/40 of the best precision at that recall or above.

        Simonelli et al., "Disentangling monocular 3D object detection", ICCV 2019; KITTI's rule.
        Recall that is never reached adds zero.
        """
        points = np.arange(1, _NUM_RECALL_POINTS + 1) / _NUM_RECALL_POINTS
        best_after = np.maximum.accumulate(self.precision[::-1])[::-1]
        first = np.searchsorted(self.recall, points - EPSILON)
        return float(np.append(best_after, 0.0)[first].mean())

    def at_score(self, least: float) -> tuple[float, float]:
        """Precision and recall of the detections with a score of at least this.

        Precision is 1 where no detection is left.
        """
        kept = int((self.score >= least).sum())
        if kept == 0:
            return 1.0, 0.0
        return float(self.precision[kept - 1]), float(self.recall[kept - 1])

    def as_dict(self) -> dict[str, Any]:
        """Summary for JSON: average precision, and the end of the curve."""
        precision, recall = self.at_score(-np.inf)
        return {
            "average_precision": self.average_precision,
            "precision": precision,
            "recall": recall,
            "num_truth": self.num_truth,
            "num_detections": len(self.score),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What became of the detections of one frame.

    Attributes:
        score: float64 [K], of the detections that count.
        hit: bool [K], which of them are right.
        num_truth: True boxes that count.
    """

    score: FloatArray
    hit: NDArray[np.bool_]
    num_truth: int


def judge(frame: DetectionFrame, *, threshold: float) -> Verdicts:
    """Which detections are right.

    The surest detection takes the most similar truth that is free, truth that counts before
    ignored truth, and so on down.

    Args:
        frame: One frame of one class.
        threshold: Least similarity of a hit.
    """
    hit, counts = _hits(frame, threshold)
    return Verdicts(
        score=frame.score[counts],
        hit=hit[counts],
        num_truth=int((~frame.ignored_truth).sum()),
    )


def curve_of(verdicts: Sequence[Verdicts]) -> PrecisionRecall:
    """Precision and recall over all frames of one class."""
    score = np.concatenate([np.empty(0), *(one.score for one in verdicts)])
    hit = np.concatenate([np.empty(0, dtype=bool), *(one.hit for one in verdicts)])
    order = np.argsort(-score, kind="stable")
    score, num_hits = score[order], np.cumsum(hit[order])
    num_truth = sum(one.num_truth for one in verdicts)
    return PrecisionRecall(
        num_truth=num_truth,
        score=score,
        precision=num_hits / np.arange(1, len(score) + 1),
        recall=num_hits / max(num_truth, 1),
    )


def precision_recall(frames: Sequence[DetectionFrame], *, threshold: float) -> PrecisionRecall:
    """Precision and recall over all frames; see :func:`judge`.

    Args:
        frames: One class.
        threshold: Least similarity of a hit.
    """
    return curve_of([judge(frame, threshold=threshold) for frame in frames])


def _hits(frame: DetectionFrame, threshold: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which detections are right, and which count at all; bool [O] each."""
    # truth that counts stands above ignored truth, whatever the similarity
    worth = frame.similarity + 2.0 * ~frame.ignored_truth[:, None]
    worth[frame.similarity < threshold - EPSILON] = 0.0
    hit = np.zeros(len(frame.score), dtype=bool)
    counts = ~frame.unlabelled
    if len(worth) == 0:
        return hit, counts
    for detection in np.argsort(-frame.score, kind="stable"):
        truth = int(np.argmax(worth[:, detection]))
        if worth[truth, detection] > EPSILON:
            hit[detection] = counts[detection] = not frame.ignored_truth[truth]
            worth[truth] = 0.0
    return hit, counts
