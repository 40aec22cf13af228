"""One frame of KITTI labels and tracks, compared by KITTI's rules of what does not count.

Not asked for are truncated objects, those of unknown occlusion, and objects of the neighbouring
class (a van for a car). Nothing is labelled in DontCare regions, and nothing needs to be in boxes
up to 25 px high (Geiger et al., CVPR 2012, as TrackEval and AB3DMOT's evaluator apply it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.evaluation.matching import BoolArray, Candidates
from perception_stack.evaluation.sequences import EPSILON, IdArray, IdFrame, IdSequence
from perception_stack.geometry.overlap import intersection_2d_px2, iou_2d, iou_3d

SIMILARITIES = ("3d", "2d")
"""Overlap in space, or in the image."""

# the benchmark writes Person_sitting, its tracking labels and TrackEval say Person
_NEIGHBOURS = {"car": ("van",), "pedestrian": ("person", "person_sitting")}
_MAX_OCCLUSION, _MAX_TRUNCATION, _MAX_IGNORED_HEIGHT_PX, _REGION_OVERLAP = 2, 0, 25.0, 0.5
_MATCH = 0.5  # least similarity at which TrackEval takes a box to be one that is not asked for
_NOBODY = np.empty(0, dtype=np.int64)


class Labels(Protocol):
    """What is labelled in one frame; see :class:`perception_stack.io.kitti.KittiLabels`."""

    @property
    def boxes(self) -> Boxes3D: ...  # noqa: D102
    @property
    def ids(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def xyxy_px(self) -> FloatArray: ...  # noqa: D102
    @property
    def truncation(self) -> FloatArray: ...  # noqa: D102
    @property
    def occlusion(self) -> NDArray[np.int64]: ...  # noqa: D102
    @property
    def dont_care_xyxy_px(self) -> FloatArray: ...  # noqa: D102


class Tracks(Protocol):
    """What is said of one frame; see :class:`perception_stack.io.kitti.tracks.KittiTracks`."""

    @property
    def boxes(self) -> Boxes3D: ...  # noqa: D102
    @property
    def ids(self) -> NDArray[np.int64]: ...  # noqa: D102
    @property
    def xyxy_px(self) -> FloatArray: ...  # noqa: D102
    @property
    def score(self) -> FloatArray: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFrame:
    """Labels and tracks of one frame and one class, compared.

    Attributes:
        truth_ids: int64 [T], tracks labelled as the class or as its neighbour.
        object_ids: int64 [O], tracks reported as the class.
        score: float64 [O].
        candidates: Similarity, and what is neither right nor wrong; rows count within the class.
    """

    truth_ids: IdArray
    object_ids: IdArray
    score: FloatArray
    candidates: Candidates

    def of_tracks(self, kept: BoolArray) -> ComparedFrame:
        """As if only some of the tracks were there, bool [O]."""
        return ComparedFrame(
            truth_ids=self.truth_ids,
            object_ids=self.object_ids[kept],
            score=self.score[kept],
            candidates=replace(
                self.candidates,
                box_rows=np.arange(np.count_nonzero(kept)),
                similarity=self.candidates.similarity[:, kept],
                unlabelled=self.candidates.unlabelled[kept],
            ),
        )

    def id_frame(self) -> IdFrame:
        """What HOTA, CLEAR and IDF1 are counted from, by TrackEval's rules."""
        scored = self.candidates.without_ignored(threshold=_MATCH)
        return IdFrame(
            truth_ids=self.truth_ids[scored.truth_rows],
            object_ids=self.object_ids[scored.box_rows],
            similarity=scored.similarity,
        )


def compared(
    labels: Labels | None, tracks: Tracks | None, *, class_name: str, similarity: str
) -> ComparedFrame:
    """One frame of one class.

    Args:
        labels: None where the frame has no labels.
        tracks: None where the frame has no tracks.
        class_name: In lower case.
        similarity: One of :data:`SIMILARITIES`.
    """
    truth, asked, truth_ids = _truth(labels, class_name)
    rows = _NOBODY if tracks is None else _rows(tracks.boxes, (class_name,))
    overlap = np.zeros((len(truth), len(rows)))
    if labels is not None and tracks is not None:
        if similarity == "2d":
            overlap = iou_2d(labels.xyxy_px[truth], tracks.xyxy_px[rows])
        else:
            overlap = iou_3d(labels.boxes.rows(truth), tracks.boxes.rows(rows))
    unlabelled = np.zeros(0, dtype=bool)
    if tracks is not None:
        regions_px = np.empty((0, 4)) if labels is None else labels.dont_care_xyxy_px
        unlabelled = _unlabelled(tracks.xyxy_px[rows], regions_px)
    return ComparedFrame(
        truth_ids=truth_ids,
        object_ids=_NOBODY if tracks is None else tracks.ids[rows],
        score=np.empty(0) if tracks is None else tracks.score[rows],
        candidates=Candidates(
            truth_rows=np.arange(len(truth)),
            box_rows=np.arange(len(rows)),
            similarity=overlap,
            ignored_truth=~asked,
            unlabelled=unlabelled,
        ),
    )


def _truth(labels: Labels | None, class_name: str) -> tuple[IdArray, BoolArray, IdArray]:
    """Rows of the labels that belong to a class, which are asked for, and their identities."""
    if labels is None:
        return _NOBODY, np.empty(0, dtype=bool), _NOBODY
    rows = _rows(labels.boxes, (class_name, *_NEIGHBOURS.get(class_name, ())))
    asked = np.array([labels.boxes.labels[row] == class_name for row in rows], dtype=bool)
    asked &= labels.occlusion[rows] <= _MAX_OCCLUSION
    asked &= labels.truncation[rows] <= _MAX_TRUNCATION
    return rows, asked, np.array(labels.ids, dtype=np.int64)[rows]


def _rows(boxes: Boxes3D, names: tuple[str, ...]) -> IdArray:
    return np.flatnonzero(np.isin(np.array(boxes.labels, dtype=str), names)).astype(np.int64)


def _unlabelled(xyxy_px: FloatArray, regions_px: FloatArray) -> BoolArray:
    """Boxes that are too small to be asked for, or mostly inside a region without labels."""
    side_px = xyxy_px[:, 2:] - xyxy_px[:, :2]
    area_px2 = np.prod(side_px, axis=1)
    common_px2 = intersection_2d_px2(xyxy_px, regions_px).max(axis=1, initial=0.0)
    small = side_px[:, 1] <= _MAX_IGNORED_HEIGHT_PX + EPSILON
    hidden: BoolArray = small | (common_px2 > (_REGION_OVERLAP + EPSILON) * area_px2)
    return hidden


def id_sequence(sequences: Sequence[Sequence[ComparedFrame]]) -> IdSequence:
    """All sequences as one, by TrackEval's rules."""
    return IdSequence.of(*([frame.id_frame() for frame in frames] for frames in sequences))
