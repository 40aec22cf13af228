"""Average precision, and precision and recall at any score, of boxes without identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_shape
from perception_stack.evaluation.sequences import EPSILON

RECALL_POINTS = np.arange(1, 41) / 40
"""Where average precision looks; KITTI's rule."""


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
class FrameHits:
    """What was found in one frame of one class.

    Attributes:
        score: float64 [K], of the detections that count.
        hit: bool [K], whether each is right.
        num_truth: True boxes that count.
    """

    score: FloatArray
    hit: NDArray[np.bool_]
    num_truth: int


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
        best_after = np.maximum.accumulate(self.precision[::-1])[::-1]
        first = np.searchsorted(self.recall, RECALL_POINTS - EPSILON)
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


def precision_recall(frames: Sequence[DetectionFrame], *, threshold: float) -> PrecisionRecall:
    """Precision and recall over all frames.

    In each frame the surest detection takes the most similar truth that is free, truth that
    counts before ignored truth, and so on down.

    Args:
        frames: One class.
        threshold: Least similarity of a hit.
    """
    found = [frame_hits(frame, threshold) for frame in frames]
    score = np.concatenate([np.empty(0), *(one.score for one in found)])
    hit = np.concatenate([np.empty(0, dtype=bool), *(one.hit for one in found)])
    order = np.argsort(-score, kind="stable")
    score, num_hits = score[order], np.cumsum(hit[order])
    num_truth = sum(one.num_truth for one in found)
    return PrecisionRecall(
        num_truth=num_truth,
        score=score,
        precision=num_hits / np.arange(1, len(score) + 1),
        recall=num_hits / max(num_truth, 1),
    )


def frame_hits(frame: DetectionFrame, threshold: float) -> FrameHits:
    """Which detections of a frame count, and which of these are right.

    Args:
        frame: One class.
        threshold: Least similarity of a hit.
    """
    # truth that counts stands above ignored truth, whatever the similarity
    worth = frame.similarity + 2.0 * ~frame.ignored_truth[:, None]
    worth[frame.similarity < threshold - EPSILON] = 0.0
    hit = np.zeros(len(frame.score), dtype=bool)
    counts = ~frame.unlabelled
    order = np.argsort(-frame.score, kind="stable") if len(worth) else ()
    for detection in order:
        truth = int(np.argmax(worth[:, detection]))
        if worth[truth, detection] > EPSILON:
            hit[detection] = counts[detection] = not frame.ignored_truth[truth]
            worth[truth] = 0.0
    num_truth = int((~frame.ignored_truth).sum())
    return FrameHits(score=frame.score[counts], hit=hit[counts], num_truth=num_truth)
