"""All scores of KITTI tracking results, by class and by what overlap is measured in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perception_stack.evaluation.clear import ClearScores, clear_scores
from perception_stack.evaluation.hota import HotaScores, hota_scores
from perception_stack.evaluation.identity import IdentityScores, identity_scores
from perception_stack.evaluation.kitti.frames import (
    ComparedFrame,
    Labels,
    Tracks,
    compared,
    id_sequence,
)
from perception_stack.evaluation.kitti.recall_sweep import RecallSweep, recall_sweep

CLASSES = ("car", "cyclist", "pedestrian")
"""What is scored."""

CLEAR_THRESHOLD = 0.5
"""Least overlap of a match of CLEAR and IDF1, as in TrackEval; HOTA needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencePair:
    """Labels and tracks of one sequence by frame number; frames without any may be absent."""

    labels: Mapping[int, Labels]
    tracks: Mapping[int, Tracks]

    def frames(self, class_name: str, similarity: str) -> list[ComparedFrame]:
        """All frames from 0 to the last that either side names, compared."""
        num = 1 + max([*self.labels, *self.tracks], default=-1)
        return [
            compared(
                self.labels.get(frame),
                self.tracks.get(frame),
                class_name=class_name,
                similarity=similarity,
            )
            for frame in range(num)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class KittiScores:
    """Scores of one class under one similarity.

    Attributes:
        hota: By TrackEval's rules, of all tracks.
        clear: Likewise, a match being :data:`CLEAR_THRESHOLD`.
        identity: Likewise.
        sweeps: AB3DMOT's averages over recall, by least overlap of a match.
    """

    hota: HotaScores
    clear: ClearScores
    identity: IdentityScores
    sweeps: dict[float, RecallSweep]

    def as_dict(self) -> dict[str, Any]:
        """Nested scores for JSON."""
        return {
            "hota": self.hota.as_dict(),
            "clear": self.clear.as_dict(),
            "identity": self.identity.as_dict(),
            "sweeps": {f"{iou:g}": one.as_dict() for iou, one in self.sweeps.items()},
        }


def evaluate_kitti(
    pairs: Sequence[SequencePair],
    *,
    class_name: str,
    similarity: str,
    ious: Sequence[float] = (),
) -> KittiScores:
    """Scores of one class, over all sequences together.

    Args:
        pairs: The sequences.
        class_name: One of :data:`CLASSES`.
        similarity: "3d" or "2d".
        ious: Least overlaps to sweep recall at.

    Raises:
        DecodeError: a track is twice in one frame.
    """
    sequences = [pair.frames(class_name, similarity) for pair in pairs]
    joined = id_sequence(sequences)
    return KittiScores(
        hota=hota_scores(joined),
        clear=clear_scores(joined, threshold=CLEAR_THRESHOLD),
        identity=identity_scores(joined, threshold=CLEAR_THRESHOLD),
        sweeps={iou: recall_sweep(sequences, threshold=iou) for iou in ious},
    )
