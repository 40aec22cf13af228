"""sAMOTA, AMOTA and AMOTP: CLEAR scores averaged over recall, so that no threshold is chosen.

Weng et al., "3D Multi-Object Tracking: A Baseline and New Evaluation Metrics", IROS 2020, as their
evaluator counts it: the thresholds are mean scores of matched tracks at which recall passes 1/40,
2/40 …, matches with truth that is not asked for count in recall and AMOTP, and an identity
switches only between two successive frames of the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.evaluation.hota import HotaScores, hota_scores
from perception_stack.evaluation.kitti.frames import ComparedFrame, id_sequence
from perception_stack.evaluation.kitti.matches import Matches, Recording
from perception_stack.evaluation.sequences import IdArray

NUM_RECALLS = 40
"""Recalls that are averaged over: 0.025, 0.05 … 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearPoint:
    """CLEAR scores of the tracks above one threshold.

    Attributes:
        threshold: Least mean score of a track.
        mota: Accuracy, at most 1.
        motp: Mean similarity of all matches.
        recall: Share of the truth that is matched.
        false_positives: Objects without truth.
        misses: Truth without object.
        switches: Of identities.
        num_truth: Truth that is asked for.
    """

    threshold: float
    mota: float
    motp: float
    recall: float
    false_positives: int
    misses: int
    switches: int
    num_truth: int

    @classmethod
    def of(cls, matches: Matches, *, threshold: float) -> ClearPoint:
        """Scores of matches."""
        matched, asked = matches.matched, matches.asked
        num_matched, misses = int(matched.sum()), int(np.sum(asked & ~matched))
        switches = matches.num_switches()
        num_truth = int(asked.sum())
        return cls(
            threshold=threshold,
            mota=1 - (misses + matches.num_false + switches) / max(num_truth, 1),
            motp=float(matches.similarity.sum()) / max(num_matched, 1),
            recall=num_matched / max(num_matched + misses, 1),
            false_positives=matches.num_false,
            misses=misses,
            switches=switches,
            num_truth=num_truth,
        )

    def scaled_mota(self, recall: float) -> float:
        """MOTA over the largest that a recall permits, within 0 and 1."""
        return min(1.0, max(0.0, self.mota / recall))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallAverages:
    """Averages over :data:`NUM_RECALLS` recalls; one that is not reached counts as zero.

    Attributes:
        samota: Mean of MOTA divided by recall.
        amota: Mean of MOTA.
        amotp: Mean of MOTP.
    """

    samota: float
    amota: float
    amotp: float

    @classmethod
    def of(cls, points: Sequence[ClearPoint], recalls: Sequence[float]) -> RecallAverages:
        """Averages of the points at the recalls that are reached."""
        scaled = [one.scaled_mota(recall) for one, recall in zip(points, recalls, strict=True)]
        return cls(
            samota=sum(scaled) / NUM_RECALLS,
            amota=sum(one.mota for one in points) / NUM_RECALLS,
            amotp=sum(one.motp for one in points) / NUM_RECALLS,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallSweep:
    """The averages, and the best of the points.

    Attributes:
        averages: By the definition.
        as_published: As AB3DMOT's program computes the numbers that are published. It averages
            the averaged scores anew at each threshold; where rounding takes the mean of equal
            numbers below them, the very track at the threshold is lost, and the averages are
            often lower, by how much is chance. To be compared with published numbers.
        best: At the threshold of the largest MOTA; of all tracks where no recall is reached.
        best_hota: By TrackEval's rules, of the tracks above that threshold.
    """

    averages: RecallAverages
    as_published: RecallAverages
    best: ClearPoint
    best_hota: HotaScores

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **asdict(self.averages),
            "as_published": asdict(self.as_published),
            "best": asdict(self.best),
            "best_hota": self.best_hota.as_dict(),
        }


def recall_sweep(sequences: Sequence[Sequence[ComparedFrame]], *, threshold: float) -> RecallSweep:
    """The sweep over all sequences together.

    Args:
        sequences: Frames in order of time, all of one class.
        threshold: Least similarity of a match.
    """
    recording = Recording(sequences, threshold=threshold)
    score = recording.mean_score
    everything = recording.matches(np.ones(len(score), dtype=bool))
    reached = thresholds(
        score[everything.track[everything.matched]],
        num_missed=int(np.sum(everything.asked & ~everything.matched)),
    )
    points, published = [], []
    drifting = score
    for least, _ in reached:
        points.append(ClearPoint.of(recording.matches(score >= least), threshold=least))
        drifting = _averaged_anew(drifting, recording.num_frames)
        published.append(ClearPoint.of(recording.matches(drifting >= least), threshold=least))
    recalls = [recall for _, recall in reached]
    fallback = ClearPoint.of(everything, threshold=float(score.min(initial=0.0)))
    best = max(points, key=lambda point: point.mota, default=fallback)
    return RecallSweep(
        averages=RecallAverages.of(points, recalls),
        as_published=RecallAverages.of(published, recalls),
        best=best,
        best_hota=hota_scores(id_sequence(recording.sequences(score >= best.threshold))),
    )


def thresholds(scores: FloatArray, *, num_missed: int) -> list[tuple[float, float]]:
    """Scores at which the recalls 1/40, 2/40 … are passed, and these recalls.

    Each recall takes the score whose own recall is nearest. Recalls beyond the last score are not
    reached.

    Args:
        scores: float64 [N], of the matched objects.
        num_missed: Truth without a match.
    """
    num_truth = len(scores) + num_missed
    found: list[tuple[float, float]] = []
    for num, score in enumerate(np.sort(scores)[::-1].tolist(), start=1):
        # compared as the reference does, so that rounding decides alike
        wanted = found[-1][1] + 1 / NUM_RECALLS if found else 0.0
        is_last = num == len(scores)
        if not is_last and (num + 1) / num_truth - wanted < wanted - num / num_truth:
            continue
        found.append((score, wanted))
    return found[1:]


def _averaged_anew(score: FloatArray, num_frames: IdArray) -> FloatArray:
    """Mean of as many equal scores as a track has frames, added up one by one."""
    sums = [np.full(num, one).cumsum()[-1] for one, num in zip(score, num_frames, strict=True)]
    return np.array(sums) / num_frames
