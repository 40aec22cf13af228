"""What is remembered from one frame to the next: rows of tracks, with room to grow."""

from __future__ import annotations

from uuid import UUID, uuid5

import numpy as np

from perception_stack.tracking.classification import spread
from perception_stack.tracking.image.kernels.state import LEVELS, SERIAL, Tracks

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
