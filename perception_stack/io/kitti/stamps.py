"""Stamps of frames that have only a number."""

from __future__ import annotations

EPOCH_NS = 1_317_000_000_000_000_000
"""Stamp given to frame 0: on the day of the first KITTI drives, 2011-09-26 01:20 UTC."""

PERIOD_NS = 100_000_000
"""Time between frames: the LiDAR turns at 10 Hz and triggers the cameras."""


def stamp_of_frame(number: int) -> int:
    """Stamp of a frame of a sequence."""
    return EPOCH_NS + number * PERIOD_NS
