"""Whether the sensor still stands as it did: its height and tilt above the ground, over scans.

A bumped or sagging mount shows as a ground that lies differently from one scan on and stays so.
A passing hill shows too, but not for long; a slow change moves the history along with it.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.lidar.config import LidarDetectorConfig

_REMEMBERED = 50  # scans
_FEWEST = 10  # scans, before which there is nothing to compare with


class GroundWatch:
    """The usual plane of the ground, and how long the present one has differed from it.

    Args:
        config: How much and for how long it may differ.
    """

    def __init__(self, config: LidarDetectorConfig) -> None:
        self._config = config
        self._usual: deque[FloatArray] = deque(maxlen=_REMEMBERED)
        self._other: list[FloatArray] = []
        self._stamp_ns = 0

    def watch(self, plane: FloatArray, *, stamp_ns: int) -> str | None:
        """Compare one scan's ground with that of the scans before.

        After a shift the new place is the usual one; so it is when stamps jump back.

        Args:
            plane: (a, b, c) of z = a x + b y + c in the sensor's frame.
            stamp_ns: Stamp of the scan.

        Returns:
            The numbers of a shift at the scan by which it has lasted long enough, else None.
        """
        if stamp_ns < self._stamp_ns:
            self._usual.clear()
            self._other.clear()
        self._stamp_ns = stamp_ns
        # the median: a few scans of something else do not move it
        usual = np.median(self._usual, axis=0) if self._usual else plane
        raised_m = abs(plane[2] - usual[2])
        tilted_rad = float(np.arctan(np.hypot(*(plane - usual)[:2])))
        limit = self._config
        fits = raised_m <= limit.shift_m and tilted_rad <= limit.shift_rad
        if fits or len(self._usual) < _FEWEST:
            self._usual.append(plane)
            self._other.clear()
            return None
        self._other.append(plane)
        if len(self._other) < limit.shift_scans:
            return None
        now = np.median(self._other, axis=0)
        tilted_deg = np.rad2deg(np.arctan(np.hypot(*(now - usual)[:2])))
        self._usual.clear()
        self._usual.extend(self._other)
        self._other.clear()
        return (
            f"height {-now[2]:.2f} m, was {-usual[2]:.2f} m; tilted by {tilted_deg:.1f} degrees, "
            f"for {limit.shift_scans} scans"
        )
