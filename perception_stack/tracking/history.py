"""The newest frames, kept so that a late one can still be used."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.datatypes import Boxes3D
from perception_stack.tracking.sight import Sight
from perception_stack.tracking.tracks import Tracks


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """All that a tracker remembers from one frame to the next.

    Attributes:
        tracks: The tracks.
        vocabulary: Class names that their probabilities are over.
        stamp_ns: Stamp they are true at; None before the first frame.
    """

    tracks: Tracks
    vocabulary: tuple[str, ...]
    stamp_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A frame, from where it was seen, and what was known before it."""

    boxes: Boxes3D
    sight: Sight | None
    before: Knowledge


class History:
    """Frames in order of their stamps, no older than a horizon before the newest.

    Args:
        horizon_s: How late a frame may come.
    """

    def __init__(self, horizon_s: float) -> None:
        self._horizon_ns = round(horizon_s * 1e9)
        self._past: list[Past] = []

    def remember(self, past: Past) -> None:
        """Add the newest frame and forget those that are too old."""
        oldest_ns = past.boxes.stamp_ns - self._horizon_ns
        self._past = [one for one in self._past if one.boxes.stamp_ns >= oldest_ns]
        self._past.append(past)

    def taken_back(self, stamp_ns: int) -> list[Past]:
        """Frames that a late one goes before, taken out to be run again after it.

        Returns:
            None at all where the frame is beyond the horizon, or there is one of its stamp.
        """
        stamps = [one.boxes.stamp_ns for one in self._past]
        if not stamps or stamp_ns in stamps or stamps[-1] - stamp_ns > self._horizon_ns:
            return []
        first = sum(stamp < stamp_ns for stamp in stamps)
        later, self._past = self._past[first:], self._past[:first]
        return later
