"""CLEAR-MOT scores: misses, false objects, switches of identity and fragments, counted per frame.

Bernardin and Stiefelhagen, "Evaluating multiple object tracking performance: the CLEAR MOT
metrics", 2008; details as in TrackEval, with which the scores agree.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_stack.evaluation.sequences import EPSILON, IdArray, IdFrame, IdSequence

# more than any sum of similarities: keeping a match outweighs every other choice
_CONTINUITY = 1000.0
_NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearScores:
    """Counts over all frames, and the ratios made of them.

    Attributes:
        num_frames: Frames scored.
        num_truth_ids: Identities that are there.
        true_positives: Truth boxes that an object matched.
        false_positives: Objects without truth.
        misses: Truth boxes without object.
        switches: Times a truth identity was matched by another object than the last time.
        fragments: Times a truth identity was found again after having been lost.
        mostly_tracked: Identities matched in more than 80 % of their frames.
        partly_tracked: Identities matched in 20 % to 80 % of their frames.
        mostly_lost: All other identities.
        similarity_sum: Of all matches.
    """

    num_frames: int
    num_truth_ids: int
    true_positives: int
    false_positives: int
    misses: int
    switches: int
    fragments: int
    mostly_tracked: int
    partly_tracked: int
    mostly_lost: int
    similarity_sum: float

    @property
    def mota(self) -> float:
        """Accuracy, at most 1, negative where there are more errors than truth."""
        errors = self.misses + self.false_positives + self.switches
        return (self.num_truth - errors) / max(self.num_truth, 1)

    @property
    def motp(self) -> float:
        """Mean similarity of the matches; 0 where there are none."""
        return self.similarity_sum / max(self.true_positives, 1)

    @property
    def num_truth(self) -> int:
        """Truth boxes over all frames."""
        return self.true_positives + self.misses

    @property
    def recall(self) -> float:
        """Share of the truth boxes that was found."""
        return self.true_positives / max(self.num_truth, 1)

    @property
    def precision(self) -> float:
        """Share of the objects that is true."""
        return self.true_positives / max(self.true_positives + self.false_positives, 1)

    def as_dict(self) -> dict[str, float]:
        """Counts and ratios, for JSON."""
        ratios = {name: getattr(self, name) for name in ("mota", "motp", "recall", "precision")}
        counts = asdict(self)
        del counts["similarity_sum"]
        return {**ratios, "num_truth": self.num_truth, **counts}


def clear_scores(sequence: IdSequence, *, threshold: float = 0.5) -> ClearScores:
    """CLEAR scores of a sequence.

    A match of the previous frame is kept while it reaches the threshold; the others are chosen
    for the largest sum of similarities. As in TrackEval a frame in which truth or objects are
    empty does not interrupt a match, which matters to ``fragments`` only.

    Args:
        sequence: Frames in order of time.
        threshold: Least similarity of a match.
    """
    # object of each truth identity: when last matched, and in the last frame
    last = np.full(sequence.num_truth_ids, _NOBODY, dtype=np.int64)
    now = last.copy()
    num_matched = np.zeros(sequence.num_truth_ids, dtype=np.int64)
    num_found = np.zeros(sequence.num_truth_ids, dtype=np.int64)
    switches = 0
    similarity_sum = 0.0
    for frame in sequence.frames:
        if frame.similarity.size == 0:
            continue
        rows, cols = _matches(frame, now, threshold)
        truth, objects = frame.truth_ids[rows], frame.object_ids[cols]
        similarity_sum += float(frame.similarity[rows, cols].sum())
        switches += int(((last[truth] != _NOBODY) & (last[truth] != objects)).sum())
        num_matched[truth] += 1
        num_found[truth] += now[truth] == _NOBODY
        last[truth] = objects
        now[:] = _NOBODY
        now[truth] = objects
    true_positives = int(num_matched.sum())
    num_frames, _ = sequence.lengths()
    share = num_matched / np.maximum(num_frames, 1)
    mostly_tracked = int((share > 0.8).sum())
    partly_tracked = int((share >= 0.2).sum()) - mostly_tracked
    return ClearScores(
        num_frames=len(sequence.frames),
        num_truth_ids=sequence.num_truth_ids,
        true_positives=true_positives,
        false_positives=sequence.num_objects - true_positives,
        misses=sequence.num_truth - true_positives,
        switches=switches,
        fragments=int(np.maximum(num_found - 1, 0).sum()),
        mostly_tracked=mostly_tracked,
        partly_tracked=partly_tracked,
        mostly_lost=sequence.num_truth_ids - mostly_tracked - partly_tracked,
        similarity_sum=similarity_sum,
    )


def _matches(frame: IdFrame, now: IdArray, threshold: float) -> tuple[IdArray, IdArray]:
    kept = frame.object_ids[None, :] == now[frame.truth_ids][:, None]
    worth = frame.similarity + _CONTINUITY * kept
    worth[frame.similarity < threshold - EPSILON] = 0.0
    rows, cols = linear_sum_assignment(worth, maximize=True)
    good = worth[rows, cols] > EPSILON
    return rows[good], cols[good]
