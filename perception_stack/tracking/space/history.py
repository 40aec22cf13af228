"""The newest frames, kept so that a late one can still be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from perception_stack.datatypes import Boxes3D
from perception_stack.tracking.space.camera_view import CameraView
from perception_stack.tracking.space.clock import Clock
from perception_stack.tracking.space.sight import Sight
from perception_stack.tracking.space.tracks import Tracks

When = tuple[int, bool, str]
"""Stamp in ns of a frame, whether it is an image, its source: of one stamp boxes come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What one sensor reported at one stamp.

    Attributes:
        seen: Boxes in the fixed frame, or the detections of an image.
        sight: From where boxes were looked for; None where nobody knows.
        source: What reports such boxes; the source of an image is its camera.
    """

    seen: Boxes3D | CameraView
    sight: Sight | None = None
    source: str = ""

    @property
    def when(self) -> When:
        """Its place in time."""
        if isinstance(self.seen, CameraView):
            return self.seen.stamp_ns, True, self.seen.camera.frame_id
        return self.seen.stamp_ns, False, self.source

    @property
    def fixed_frame(self) -> str:
        """Frame that its boxes, or its camera, are in."""
        if isinstance(self.seen, CameraView):
            return self.seen.camera_from_fixed.source
        return self.seen.frame_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """All that a tracker remembers from one frame to the next.

    Attributes:
        tracks: The tracks.
        vocabulary: Class names that their probabilities are over.
        when: Of the newest frame; None before the first one.
        looked_ns: Stamp of the newest frame of each source.
        offset_s: The tracks are true so long after the stamp of the newest frame.
        clocks: Of each source of boxes.
        image_rows: Row of the detection of each object that the newest frame, an image, saw.
    """

    tracks: Tracks
    vocabulary: tuple[str, ...]
    when: When | None = None
    looked_ns: dict[str, int] = field(default_factory=dict)
    offset_s: float = 0.0
    clocks: dict[str, Clock] = field(default_factory=dict)
    image_rows: dict[UUID, int] = field(default_factory=dict)

    @property
    def stamp_ns(self) -> int | None:
        """Stamp of the newest frame."""
        return None if self.when is None else self.when[0]

    def step_s(self, dt_s: float) -> float:
        """Seconds from when the tracks are true to a stamp ``dt_s`` after the newest one."""
        return max(dt_s - self.offset_s, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A frame, and what was known before it."""

    frame: Frame
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
        if self._horizon_ns == 0:
            return
        oldest_ns = past.frame.when[0] - self._horizon_ns
        self._past = [one for one in self._past if one.frame.when[0] >= oldest_ns]
        self._past.append(past)

    @property
    def frames(self) -> tuple[Past, ...]:
        """All that are kept, in order."""
        return tuple(self._past)

    def taken_back(self, when: When) -> list[Past]:
        """Frames that a late one goes before, taken out to be run again after it.

        Returns:
            None at all where the frame is beyond the horizon, or there is one like it.
        """
        order = [one.frame.when for one in self._past]
        if not order or when in order or order[-1][0] - when[0] > self._horizon_ns:
            return []
        first = sum(one < when for one in order)
        later, self._past = self._past[first:], self._past[:first]
        return later
