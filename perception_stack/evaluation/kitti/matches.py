"""Who is matched by whom in every frame, for any choice of the tracks.

As in AB3DMOT's evaluator the matches of a frame do not depend on the frame before, and most
matches go before best matches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_stack.datatypes import FloatArray
from perception_stack.evaluation.kitti.frames import ComparedFrame
from perception_stack.evaluation.matching import BoolArray
from perception_stack.evaluation.sequences import EPSILON, IdArray

# more than any sum of similarities: one more match outweighs how good the matches are
_ANY_MATCH = 1000.0
_NOBODY = -1
_NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Truth of many frames in order of time, and the tracks that match it.

    Attributes:
        truth: int64 [T], identities.
        asked: bool [T]; the others are neither misses nor hits.
        track: int64 [T], the matching track, -1 for none.
        similarity: float64 [T], 0 for none.
        num_false: Objects that match nothing and are held against the tracker.
    """

    truth: IdArray
    asked: BoolArray
    track: IdArray
    similarity: FloatArray
    num_false: int

    @property
    def matched(self) -> BoolArray:
        """Truth that has a match, bool [T]."""
        found: BoolArray = self.track != _NOBODY
        return found

    def num_switches(self) -> int:
        """Changes of the track between two successive frames of a truth, both asked for."""
        order = np.argsort(self.truth, kind="stable")
        truth, track = self.truth[order], self.track[order]
        good = (self.asked & self.matched)[order]
        successive = (truth[1:] == truth[:-1]) & good[1:] & good[:-1]
        return int(np.sum(successive & (track[1:] != track[:-1])))


class Recording:
    """All frames of all sequences; no identity is shared between two sequences.

    Args:
        sequences: Frames in order of time, all of one class.
        threshold: Least similarity of a match.

    Attributes:
        mean_score: float64 [K], of each track, over its frames.
        num_frames: int64 [K], length of each track.
    """

    def __init__(self, sequences: Sequence[Sequence[ComparedFrame]], *, threshold: float) -> None:
        frames = [frame for sequence in sequences for frame in sequence]
        truth = _numbered([[one.truth_ids for one in sequence] for sequence in sequences])
        self._tracks = _numbered([[one.object_ids for one in sequence] for sequence in sequences])
        joined = np.concatenate([_NO_ROWS, *self._tracks])
        scores = np.concatenate([np.empty(0), *(frame.score for frame in frames)])
        self.num_frames = np.bincount(joined)
        self.mean_score: FloatArray = np.bincount(joined, weights=scores) / self.num_frames
        self._sequences = sequences
        self._truth = np.concatenate([_NO_ROWS, *truth])
        self._asked = ~np.concatenate(
            [np.empty(0, dtype=bool), *(frame.candidates.ignored_truth for frame in frames)]
        )
        self._frames = [
            _Frame(frame, track, threshold)
            for frame, track in zip(frames, self._tracks, strict=True)
            if len(frame.truth_ids) or len(track)
        ]

    def matches(self, chosen: BoolArray) -> Matches:
        """The matches where only the chosen tracks are there.

        Args:
            chosen: bool [K].
        """
        parts = [frame.matches(chosen) for frame in self._frames]
        return Matches(
            truth=self._truth,
            asked=self._asked,
            track=np.concatenate([_NO_ROWS, *(track for track, _, _ in parts)]),
            similarity=np.concatenate([np.empty(0), *(similar for _, similar, _ in parts)]),
            num_false=sum(num_false for _, _, num_false in parts),
        )

    def sequences(self, chosen: BoolArray) -> list[list[ComparedFrame]]:
        """The frames as if only the chosen tracks were there, bool [K]."""
        tracks = iter(self._tracks)
        return [
            [frame.of_tracks(chosen[next(tracks)]) for frame in sequence]
            for sequence in self._sequences
        ]


class _Frame:
    """One frame; what was matched is remembered, for few tracks differ between two choices."""

    def __init__(self, frame: ComparedFrame, track: IdArray, threshold: float) -> None:
        self._similarity = frame.candidates.similarity
        reached = self._similarity >= threshold - EPSILON
        self._worth = np.where(reached, self._similarity + _ANY_MATCH, 0.0)
        self._harmless = frame.candidates.unlabelled
        self._track = track
        self._known: dict[bytes, tuple[IdArray, FloatArray, int]] = {}

    def matches(self, chosen: BoolArray) -> tuple[IdArray, FloatArray, int]:
        """Track and similarity of each truth, and the number of false objects."""
        here = chosen[self._track]
        key = here.tobytes()
        if key not in self._known:
            self._known[key] = self._matched(here)
        return self._known[key]

    def _matched(self, here: BoolArray) -> tuple[IdArray, FloatArray, int]:
        columns = np.flatnonzero(here)
        rows, cols = linear_sum_assignment(self._worth[:, columns], maximize=True)
        cols = columns[cols]
        good = self._worth[rows, cols] > 0
        rows, cols = rows[good], cols[good]
        track = np.full(len(self._worth), _NOBODY, dtype=np.int64)
        track[rows] = self._track[cols]
        similarity = np.zeros(len(track))
        similarity[rows] = self._similarity[rows, cols]
        false = here & ~self._harmless
        false[cols] = False
        return track, similarity, int(false.sum())


def _numbered(sequences: Sequence[Sequence[IdArray]]) -> list[IdArray]:
    """Identities of every frame counted from 0 over all sequences."""
    numbered: list[IdArray] = []
    first = 0
    for frames in sequences:
        known = np.unique(np.concatenate([_NO_ROWS, *frames]))
        numbered += [first + np.searchsorted(known, ids) for ids in frames]
        first += len(known)
    return numbered
