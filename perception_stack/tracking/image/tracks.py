"""What is remembered from one frame to the next: rows of tracks, with room to grow."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID, uuid5

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.tracking.common.assignment import IntArray
from perception_stack.tracking.common.classes import spread

LEVELS = 5
"""Number of levels of noise that a detector is thought to have."""

SERIAL, SEEN_NS, DETECTIONS, CONFIRMED = 0, 1, 2, 3
"""Columns of the whole numbers of a track."""


class Tracks(NamedTuple):
    """Room for C tracks over V classes; the first rows are taken.

    Attributes:
        state: float64 [C, 7]: centre u, v in pixels, log of the height in pixels, log of width by
            height; speed along u and v in heights per second, rate of growth per second.
        covariance: float64 [C, 7, 7] of the state.
        log_odds: float64 [C] of existence.
        class_probs: float64 [C, V].
        noise_probs: float64 [C, LEVELS], how noisily the detector sees it, lowest first.
        whole: int64 [C, 4]: serial number, stamp of the newest detection, number of detections,
            whether confirmed.
    """

    state: FloatArray
    covariance: FloatArray
    log_odds: FloatArray
    class_probs: FloatArray
    noise_probs: FloatArray
    whole: IntArray


# of this package; fixed, so that the same input gives the same identities
_NAMESPACE = UUID("0d1f7c6e-52c5-5b0e-8a37-6d1b9f1e42aa")
_FIRST_ROOM = 64


class Memory:
    """Tracks of one camera, their identities, and the names of their classes.

    Attributes:
        tracks: Room for more tracks than there are.
        num: Number of tracks.
        vocabulary: Sorted class names.
        stamp_ns: Stamp they are true at; None before the first frame.
        frame_id: Of the camera; None before the first frame.
        next_serial: Serial number of the next new track.
    """

    def __init__(self) -> None:
        self.tracks = _room(_FIRST_ROOM, 0)
        self.num = 0
        self.vocabulary: tuple[str, ...] = ()
        self.stamp_ns: int | None = None
        self.frame_id: str | None = None
        self.next_serial = 0
        self._ids: dict[int, UUID] = {}

    def make_room(self, num_found: int, labels: tuple[str, ...]) -> None:
        """See to it that all detections of a frame can become tracks, whatever their class."""
        if not self._knows(labels):
            vocabulary = tuple(sorted({*self.vocabulary, *labels}))
            old = self.tracks.class_probs
            probs = spread(old, self.vocabulary, vocabulary=vocabulary)
            self.tracks = self.tracks._replace(class_probs=np.ascontiguousarray(probs))
            self.vocabulary = vocabulary
        room = len(self.tracks.log_odds)
        if self.num + num_found > room:
            larger = _room(2 * (self.num + num_found), len(self.vocabulary))
            for old_rows, new_rows in zip(self.tracks, larger, strict=True):
                new_rows[: self.num] = old_rows[: self.num]
            self.tracks = larger

    def name_new(self, num: int, stamp_ns: int) -> None:
        """Take over the tracks of a newer frame: the first ``num`` rows.

        An identity is made of the camera, the stamp of birth, and the place among the births of
        that frame.
        """
        serials = self.tracks.whole[:num, SERIAL].tolist()
        known, first = self._ids, self.next_serial
        self._ids = {
            one: known[one]
            if one < first
            else uuid5(_NAMESPACE, f"{self.frame_id}/{stamp_ns}/{one - first}")
            for one in serials
        }
        self.next_serial = max(first - 1, *serials, -1) + 1
        self.num, self.stamp_ns = num, stamp_ns

    def ids(self, serials: list[int]) -> tuple[UUID, ...]:
        """Identities of some tracks by their serial numbers."""
        return tuple([self._ids[one] for one in serials])

    def _knows(self, labels: tuple[str, ...]) -> bool:
        return all(label in self.vocabulary for label in labels)


def _room(num: int, num_classes: int) -> Tracks:
    return Tracks(
        state=np.zeros((num, 7)),
        covariance=np.zeros((num, 7, 7)),
        log_odds=np.zeros(num),
        class_probs=np.zeros((num, num_classes)),
        noise_probs=np.zeros((num, LEVELS)),
        whole=np.zeros((num, 4), dtype=np.int64),
    )
