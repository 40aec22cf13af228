"""Which frames of a stream are worth keeping as views: new, sharp, still."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.targets.detection import Sighting, edge_width_px
from perception_stack.datatypes import FloatArray
from perception_stack.journal import Reason

# Of the width of the image: how far points must have moved since any view kept, and how far they
# may move from frame to frame at most
_NEW_SHARE, _STILL_SHARE = 0.04, 0.004
_WIDEST_EDGE_PX = 4.5
# Frames farther apart than this say nothing about motion
_LONGEST_GAP_S = 0.5


class Answer(str, Enum):
    """What became of a frame, and the reason under which it is counted if it was not taken."""

    TAKEN = "taken", None
    NO_BOARD = "no board found", Reason.NO_BOARD
    BLURRED = "the board is blurred", Reason.BLURRED_BOARD
    MOVING = "the board moves", Reason.MOVING_BOARD
    KNOWN = "as a view that was taken", Reason.KNOWN_VIEW

    reason: Reason | None

    def __new__(cls, value: str, reason: Reason | None) -> Answer:  # noqa: D102
        member = str.__new__(cls, value)
        member._value_ = value
        member.reason = reason
        return member


@dataclass(slots=True)
class ViewCollector:
    """Keeps the frames of one camera that add something.

    Attributes:
        width_px: Of the images.
        sightings: What was kept, in order.
        stamps_ns: When each was taken.
    """

    width_px: int
    sightings: list[Sighting] = field(default_factory=list)
    stamps_ns: list[int] = field(default_factory=list)
    _last: tuple[int, Sighting] | None = None

    def offer(
        self, gray: NDArray[np.uint8], sighting: Sighting | None, *, stamp_ns: int
    ) -> Answer:
        """Keep a frame if it is worth it.

        Args:
            gray: uint8 [H, W], the image.
            sighting: The board in it, None if there is none.
            stamp_ns: When it was taken.
        """
        before, self._last = self._last, None
        if sighting is None:
            return Answer.NO_BOARD
        self._last = stamp_ns, sighting
        if edge_width_px(gray, sighting) > _WIDEST_EDGE_PX:
            return Answer.BLURRED
        soon = before is not None and 0 < stamp_ns - before[0] < _LONGEST_GAP_S * 1e9
        if (
            before is not None
            and soon
            and _apart_px(sighting, before[1]) > _STILL_SHARE * self.width_px
        ):
            return Answer.MOVING
        if any(_apart_px(sighting, one) < _NEW_SHARE * self.width_px for one in self.sightings):
            return Answer.KNOWN
        self.sightings.append(sighting)
        self.stamps_ns.append(stamp_ns)
        return Answer.TAKEN


def _apart_px(one: Sighting, other: Sighting) -> float:
    """Root mean square distance of the points that both see; infinite if they share none."""
    _, mine, theirs = np.intersect1d(one.point_idx, other.point_idx, return_indices=True)
    if not len(mine):
        return np.inf
    way: FloatArray = one.uv_px[mine] - other.uv_px[theirs]
    return float(np.sqrt(np.mean((way**2).sum(axis=1))))
