"""Which reported box belongs to which true one, in one frame and for one class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from perception_stack.datatypes import UNKNOWN, Boxes3D, FloatArray
from perception_stack.errors import FrameMismatchError
from perception_stack.evaluation.config import EvaluationConfig
from perception_stack.evaluation.sequences import EPSILON
from perception_stack.evaluation.truth import TruthFrame
from perception_stack.geometry.overlap import iou_3d, iou_bev

_OVERLAPS: dict[str, Callable[[Boxes3D, Boxes3D], FloatArray]] = {
    "iou_3d": iou_3d,
    "iou_bev": iou_bev,
}
_AXES = {"distance_bev": 2, "distance_3d": 3}
BoolArray = NDArray[np.bool_]


def similarity(truth: Boxes3D, boxes: Boxes3D, config: EvaluationConfig) -> FloatArray:
    """Similarity of every pair, as ``config.similarity`` says.

    Returns:
        float64 [T, O], in [0, 1].

    Raises:
        FrameMismatchError: the boxes are not in the frame of the truth.
    """
    if boxes.frame_id != truth.frame_id:
        raise FrameMismatchError(
            "boxes to evaluate", expected=truth.frame_id, received=boxes.frame_id
        )
    if config.similarity in _OVERLAPS:
        return _OVERLAPS[config.similarity](truth, boxes)
    axes = _AXES[config.similarity]
    offset_m = truth.center_m[:, None, :axes] - boxes.center_m[None, :, :axes]
    distance_m = np.linalg.norm(offset_m, axis=2)
    near: FloatArray = np.maximum(1.0 - distance_m / (2 * config.match_distance_m), 0.0)
    return near


def assign(
    similarity: FloatArray, *, threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """One-to-one matches with the largest sum of similarities.

    Args:
        similarity: float64 [T, O].
        threshold: Least similarity of a match.

    Returns:
        Rows and columns of the matches.
    """
    worth = np.where(similarity >= threshold - EPSILON, similarity, 0.0)
    rows, cols = linear_sum_assignment(worth, maximize=True)
    good = worth[rows, cols] > EPSILON
    return rows[good], cols[good]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The boxes of one class in one frame, before any of them is ignored.

    Attributes:
        truth_rows: int64 [T], rows of the true boxes.
        box_rows: int64 [O], rows of the reported boxes.
        similarity: float64 [T, O].
        ignored_truth: bool [T]; a box matched to one of these is neither right nor wrong.
        unlabelled: bool [O]; if unmatched, such a box is no false alarm.
    """

    truth_rows: NDArray[np.intp]
    box_rows: NDArray[np.intp]
    similarity: FloatArray
    ignored_truth: BoolArray
    unlabelled: BoolArray

    def without_ignored(self, *, threshold: float) -> Candidates:
        """What is to be scored, after KITTI's rules as TrackEval applies them.

        Truth and boxes are matched once; boxes on ignored truth leave, and so do unmatched boxes
        where nothing was labelled, and all ignored truth.
        """
        rows, cols = assign(self.similarity, threshold=threshold)
        leaves = self.unlabelled.copy()
        leaves[cols] = self.ignored_truth[rows]
        truth, boxes = np.flatnonzero(~self.ignored_truth), np.flatnonzero(~leaves)
        return Candidates(
            truth_rows=self.truth_rows[truth],
            box_rows=self.box_rows[boxes],
            similarity=self.similarity[np.ix_(truth, boxes)],
            ignored_truth=np.zeros(len(truth), dtype=bool),
            unlabelled=self.unlabelled[boxes],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePair:
    """Truth and reported boxes of one stamp, compared once for all classes.

    Attributes:
        truth: What was there.
        boxes: What was reported.
        similarity: float64 [T, O].
        unlabelled: bool [O], boxes where the truth says nothing.
    """

    truth: TruthFrame
    boxes: Boxes3D
    similarity: FloatArray
    unlabelled: BoolArray

    @classmethod
    def of(cls, truth: TruthFrame, boxes: Boxes3D, config: EvaluationConfig) -> FramePair:
        """Compare the boxes of one frame.

        Raises:
            FrameMismatchError: the boxes are not in the frame of the truth.
        """
        pairwise = similarity(truth.boxes, boxes, config)
        unlabelled = np.zeros(len(boxes), dtype=bool)
        if truth.view is not None:
            unlabelled = truth.view.unlabelled(boxes, overlap=config.region_overlap)
        if not config.unknown_is_false:
            unlabelled = unlabelled | (np.array(boxes.labels, dtype=object) == UNKNOWN)
        return cls(truth=truth, boxes=boxes, similarity=pairwise, unlabelled=unlabelled)

    def of_class(self, class_name: str | None, config: EvaluationConfig) -> Candidates:
        """The boxes of one class, or with None all boxes whatever they are called."""
        labels = np.array(self.truth.boxes.labels, dtype=object)
        ignored = self.truth.ignored
        if class_name is None:
            truth_rows = np.arange(len(labels))
            box_rows = np.arange(len(self.boxes))
            if config.classes:
                ignored = ignored | ~np.isin(labels, config.classes)
        else:
            neighbours = config.neighbours_of(class_name)
            truth_rows = np.flatnonzero([x == class_name or x in neighbours for x in labels])
            box_rows = np.flatnonzero([label == class_name for label in self.boxes.labels])
            ignored = ignored | (labels != class_name)
        return Candidates(
            truth_rows=truth_rows,
            box_rows=box_rows,
            similarity=self.similarity[np.ix_(truth_rows, box_rows)],
            ignored_truth=ignored[truth_rows].astype(bool),
            unlabelled=self.unlabelled[box_rows],
        )


def classes_to_score(pairs: Sequence[FramePair], config: EvaluationConfig) -> tuple[str, ...]:
    """The configured classes, or all that occur but for neighbours of others and "unknown"."""
    if config.classes:
        return config.classes
    found = {label for pair in pairs for label in pair.truth.boxes.labels}
    found |= {label for pair in pairs for label in pair.boxes.labels}
    beside = {pair.split(":")[1] for pair in config.neighbours}
    return tuple(sorted(found - beside - {UNKNOWN}))
