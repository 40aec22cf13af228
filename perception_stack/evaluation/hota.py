"""HOTA: how well objects are found, how well their identities are kept, and where they lie.

Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021;
agrees with TrackEval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_stack.datatypes import FloatArray
from perception_stack.evaluation.sequences import EPSILON, IdArray, IdSequence

ALPHAS: FloatArray = np.arange(0.05, 0.99, 0.05)
"""Least similarities at which HOTA is taken and averaged: 0.05, 0.10 … 0.95."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HotaScores:
    """Scores at each of :data:`ALPHAS`; every array is float64 [19].

    Attributes:
        det_re: Detection recall.
        det_pr: Detection precision.
        det_a: Detection accuracy, TP / (TP + FN + FP).
        ass_re: Association recall.
        ass_pr: Association precision.
        ass_a: Association accuracy, averaged over the matches.
        loc_a: Mean similarity of the matches; 1 where there are none.
    """

    det_re: FloatArray
    det_pr: FloatArray
    det_a: FloatArray
    ass_re: FloatArray
    ass_pr: FloatArray
    ass_a: FloatArray
    loc_a: FloatArray

    @property
    def hota(self) -> FloatArray:
        """Geometric mean of detection and association accuracy at each alpha, float64 [19]."""
        return np.sqrt(self.det_a * self.ass_a)

    def as_dict(self) -> dict[str, float]:
        """Means over all alphas, for JSON; these are the numbers that are published."""
        names = ("hota", "det_a", "ass_a", "det_re", "det_pr", "ass_re", "ass_pr", "loc_a")
        return {name: float(getattr(self, name).mean()) for name in names}


def hota_scores(sequence: IdSequence) -> HotaScores:
    """HOTA of a sequence.

    Args:
        sequence: Frames in order of time.
    """
    pairs, similarity = _matches(sequence)
    pair, pair_idx = np.unique(pairs, axis=0, return_inverse=True)
    # in how many frames each pair of identities is matched at each alpha, [19, P]
    reached = similarity >= ALPHAS[:, None] - EPSILON
    matches = np.array([np.bincount(pair_idx[good], minlength=len(pair)) for good in reached])
    hits = matches.sum(axis=1)
    hits_or_one = np.maximum(hits, 1)
    truth_lengths, object_lengths = sequence.lengths()
    truth_length, object_length = truth_lengths[pair[:, 0]], object_lengths[pair[:, 1]]

    def mean_over_matches(possible: IdArray) -> FloatArray:
        mean: FloatArray = (matches * matches / possible).sum(axis=1) / hits_or_one
        return mean

    num_truth, num_objects = sequence.num_truth, sequence.num_objects
    return HotaScores(
        det_re=hits / max(num_truth, 1),
        det_pr=hits / max(num_objects, 1),
        det_a=hits / np.maximum(num_truth + num_objects - hits, 1),
        ass_re=mean_over_matches(truth_length),
        ass_pr=mean_over_matches(object_length),
        ass_a=mean_over_matches(truth_length + object_length - matches),
        loc_a=np.where(hits > 0, (reached * similarity).sum(axis=1) / hits_or_one, 1.0),
    )


def _matches(sequence: IdSequence) -> tuple[IdArray, FloatArray]:
    """The matches of all frames, best for HOTA; their similarity may be as low as zero.

    Returns:
        int64 [K, 2], truth and object identity; float64 [K], similarity.
    """
    alignment = _global_alignment(sequence)
    pairs = [np.empty((0, 2), dtype=np.int64)]
    similarity = [np.empty(0)]
    for frame in sequence.frames:
        worth = alignment[np.ix_(frame.truth_ids, frame.object_ids)] * frame.similarity
        rows, cols = linear_sum_assignment(worth, maximize=True)
        pairs.append(np.column_stack([frame.truth_ids[rows], frame.object_ids[cols]]))
        similarity.append(frame.similarity[rows, cols])
    return np.concatenate(pairs), np.concatenate(similarity)


def _global_alignment(sequence: IdSequence) -> FloatArray:
    """How much each pair of identities belongs together over the whole sequence (eq. 15).

    Returns:
        float64 [num_truth_ids, num_object_ids] in [0, 1].
    """
    common = np.zeros((sequence.num_truth_ids, sequence.num_object_ids))
    for frame in sequence.frames:
        similarity = frame.similarity
        rivals = similarity.sum(axis=0)[None, :] + similarity.sum(axis=1)[:, None] - similarity
        share = np.divide(
            similarity, rivals, out=np.zeros_like(similarity), where=rivals > EPSILON
        )
        common[np.ix_(frame.truth_ids, frame.object_ids)] += share
    truth_length, object_length = sequence.lengths()
    alignment: FloatArray = common / (truth_length[:, None] + object_length[None, :] - common)
    return alignment
