"""Scores of whole recordings: true frames and reported frames in, scores by class out.

Frames belong together by stamp, exactly. A true frame without a report counts as one in which
nothing was reported; a report without truth is left out; both are named in the result.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from perception_stack.datatypes import Boxes3D, TrackedObjects, TrackState
from perception_stack.errors import DecodeError
from perception_stack.evaluation.clear import ClearScores, clear_scores
from perception_stack.evaluation.config import EvaluationConfig
from perception_stack.evaluation.detection import (
    DetectionFrame,
    PrecisionRecall,
    precision_recall,
)
from perception_stack.evaluation.distance import DistanceRecall, recall_by_distance
from perception_stack.evaluation.hota import HotaScores, hota_scores
from perception_stack.evaluation.identity import IdentityScores, identity_scores
from perception_stack.evaluation.matching import Candidates, FramePair, classes_to_score
from perception_stack.evaluation.sequences import IdArray, IdFrame, IdSequence
from perception_stack.evaluation.truth import TruthFrame

_FrameT = TypeVar("_FrameT", TruthFrame, Boxes3D, TrackedObjects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Which frames could be compared.

    Attributes:
        num_frames: Frames scored: all that have truth.
        without_report_ns: Stamps with truth for which nothing came, not even an empty list.
        without_truth_ns: Stamps of reports that no truth belongs to; not scored.
    """

    num_frames: int
    without_report_ns: tuple[int, ...]
    without_truth_ns: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """Counts and stamps for JSON."""
        return {
            "num_frames": self.num_frames,
            "without_report_ns": list(self.without_report_ns),
            "without_truth_ns": list(self.without_truth_ns),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackScores:
    """Tracking scores of one class."""

    clear: ClearScores
    hota: HotaScores
    identity: IdentityScores
    distance: DistanceRecall

    def as_dict(self) -> dict[str, Any]:
        """Nested scores for JSON."""
        return {
            "hota": self.hota.as_dict(),
            "clear": self.clear.as_dict(),
            "identity": self.identity.as_dict(),
            "distance": self.distance.as_dict(),
        }


_ScoresT = TypeVar("_ScoresT", TrackScores, PrecisionRecall)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingScores(Generic[_ScoresT]):
    """Scores of a recording.

    Attributes:
        rule: What counted as a hit, in words.
        any_class: Scores of all boxes, whatever they are called.
        per_class: Scores of one class.
        coverage: Which frames were compared.
    """

    rule: str
    any_class: _ScoresT
    per_class: dict[str, _ScoresT]
    coverage: Coverage

    def as_dict(self) -> dict[str, Any]:
        """Nested scores for JSON."""
        return {
            "rule": self.rule,
            "any_class": self.any_class.as_dict(),
            "per_class": {name: one.as_dict() for name, one in self.per_class.items()},
            "coverage": self.coverage.as_dict(),
        }


TrackingScores = RecordingScores[TrackScores]
"""Of the tracked lists."""
DetectionScores = RecordingScores[PrecisionRecall]
"""Of the boxes: all ranked by existence, one class by existence times probability of the class."""


def evaluate_tracking(
    truth: Sequence[TruthFrame],
    objects: Sequence[TrackedObjects],
    config: EvaluationConfig | None = None,
) -> TrackingScores:
    """Scores of tracked lists.

    Args:
        truth: True frames in any order.
        objects: Reported lists in any order, in the frame of the truth.
        config: What counts as a hit; defaults when None.

    Raises:
        FrameMismatchError: objects are not in the frame of the truth.
        DecodeError: a stamp occurs twice on one side, or an identity twice in one frame.
    """
    config = config or EvaluationConfig()
    reported = {stamp: _that_count(one, config) for stamp, one in _by_stamp(objects).items()}
    pairs, coverage = _pair_up(truth, {t: one.boxes for t, one in reported.items()}, config)
    truth_numbers = _numbers([id_ for pair in pairs for id_ in pair.truth.ids])
    object_numbers = _numbers([id_ for one in reported.values() for id_ in one.ids])
    ids = [
        (
            _numbered(pair.truth.ids, truth_numbers),
            _numbered(reported[stamp].ids if stamp in reported else (), object_numbers),
        )
        for pair in pairs
        for stamp in [pair.truth.stamp_ns]
    ]

    def scores(class_name: str | None) -> TrackScores:
        kept = [
            pair.of_class(class_name, config).without_ignored(threshold=config.threshold)
            for pair in pairs
        ]
        return _track_scores(pairs, kept, ids, config)

    return RecordingScores(
        rule=config.rule,
        any_class=scores(None),
        per_class={name: scores(name) for name in classes_to_score(pairs, config)},
        coverage=coverage,
    )


def evaluate_detection(
    truth: Sequence[TruthFrame],
    detections: Sequence[Boxes3D],
    config: EvaluationConfig | None = None,
) -> DetectionScores:
    """Scores of boxes without identity.

    Args:
        truth: True frames in any order.
        detections: Reported boxes in any order, in the frame of the truth.
        config: What counts as a hit; defaults when None.

    Raises:
        FrameMismatchError: detections are not in the frame of the truth.
        DecodeError: a stamp occurs twice on one side.
    """
    config = config or EvaluationConfig()
    pairs, coverage = _pair_up(truth, _by_stamp(detections), config)

    def scores(class_name: str | None) -> PrecisionRecall:
        frames = []
        for pair in pairs:
            candidates = pair.of_class(class_name, config)
            boxes = pair.boxes.rows(candidates.box_rows)
            sureness = 1.0 if class_name is None else boxes.class_probs.max(axis=1, initial=0.0)
            frames.append(
                DetectionFrame(
                    similarity=candidates.similarity,
                    score=boxes.score * sureness,
                    ignored_truth=candidates.ignored_truth,
                    unlabelled=candidates.unlabelled,
                )
            )
        return precision_recall(frames, threshold=config.threshold)

    return RecordingScores(
        rule=config.rule,
        any_class=scores(None),
        per_class={name: scores(name) for name in classes_to_score(pairs, config)},
        coverage=coverage,
    )


def _track_scores(
    pairs: Sequence[FramePair],
    kept: Sequence[Candidates],
    ids: Sequence[tuple[IdArray, IdArray]],
    config: EvaluationConfig,
) -> TrackScores:
    sequence = IdSequence.of(
        [
            IdFrame(
                truth_ids=truth_ids[one.truth_rows],
                object_ids=object_ids[one.box_rows],
                similarity=one.similarity,
            )
            for one, (truth_ids, object_ids) in zip(kept, ids, strict=True)
        ]
    )
    distance = recall_by_distance(
        (
            (pair.truth.distance_m[one.truth_rows], one.similarity)
            for pair, one in zip(pairs, kept, strict=True)
        ),
        edges_m=config.distance_edges_m,
        threshold=config.threshold,
    )
    return TrackScores(
        clear=clear_scores(sequence, threshold=config.threshold),
        hota=hota_scores(sequence),
        identity=identity_scores(sequence, threshold=config.threshold),
        distance=distance,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reported:
    boxes: Boxes3D
    ids: tuple[Hashable, ...]


def _that_count(objects: TrackedObjects, config: EvaluationConfig) -> _Reported:
    states = [TrackState[name.upper()] for name in config.states]
    rows = np.flatnonzero(np.isin(objects.state, states))
    return _Reported(boxes=objects.boxes.rows(rows), ids=tuple(objects.ids[i] for i in rows))


def _pair_up(
    truth: Sequence[TruthFrame], reported: dict[int, Boxes3D], config: EvaluationConfig
) -> tuple[list[FramePair], Coverage]:
    pairs = []
    by_stamp = _by_stamp(truth)
    for stamp_ns, frame in by_stamp.items():
        nothing = Boxes3D.empty(frame_id=frame.boxes.frame_id, stamp_ns=stamp_ns)
        pairs.append(FramePair.of(frame, reported.get(stamp_ns, nothing), config))
    return pairs, Coverage(
        num_frames=len(pairs),
        without_report_ns=tuple(t for t in by_stamp if t not in reported),
        without_truth_ns=tuple(t for t in sorted(reported) if t not in by_stamp),
    )


def _by_stamp(frames: Sequence[_FrameT]) -> dict[int, _FrameT]:
    ordered: dict[int, _FrameT] = {}
    for frame in sorted(frames, key=lambda one: one.stamp_ns):
        if frame.stamp_ns in ordered:
            raise DecodeError(f"two frames have the stamp {frame.stamp_ns} ns")
        ordered[frame.stamp_ns] = frame
    return ordered


def _numbers(ids: Sequence[Hashable]) -> dict[Hashable, int]:
    return {id_: number for number, id_ in enumerate(dict.fromkeys(ids))}


def _numbered(ids: Sequence[Hashable], numbers: dict[Hashable, int]) -> IdArray:
    return np.array([numbers[id_] for id_ in ids], dtype=np.int64)
