"""The clock of a sensor: how far its stamps are off, and how far they usually are.

A stamp that is late by ``d`` shows everything ahead of its prediction by its velocity times ``d``.
``d`` has a normal prior, each detection is a measurement of it, and the tracks are set to when
they were detected. How far stamps usually are off is learned from what is found (moments with
forgetting), so a recording with good stamps stays as it is. What is off the same way in frame
after frame is no jitter but things that speed up, and does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.measurements import Measurements
from perception_stack.tracking.tracks import Tracks

_MEMORY_FRAMES = 20.0
_LEAST_S, _MOST_S = 1e-5, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What is known of how far the stamps of one source are off.

    Attributes:
        mean_s: Of the offsets.
        variance_s2: Of the offsets about it.
    """

    mean_s: float
    variance_s2: float

    @classmethod
    def new(cls, config: TrackerConfig) -> Clock:
        """Before anything is known."""
        return cls(mean_s=0.0, variance_s2=config.stamp_noise_s**2)

    def set_by(
        self,
        tracks: Tracks,
        found: Measurements,
        chosen: NDArray[np.intp],
        config: TrackerConfig,
    ) -> tuple[Tracks, float, Clock]:
        """Predicted tracks, set to when they were detected, and what that tells of the clock.

        Args:
            tracks: Predicted for the stamp.
            found: Detections of the frame.
            chosen: int [N], detection of each track, -1 for none.
            config: Parameters.

        Returns:
            The tracks; how many seconds after the stamp they are true; the clock.
        """
        from perception_stack.tracking.kernels.clock import set_to_detections

        table = tracks.copied_table()
        offset_s, left_s2 = set_to_detections(
            table, found.table, chosen, self.variance_s2, numbers(config)
        )
        now_s2 = min((offset_s - self.mean_s) ** 2 + left_s2, _MOST_S**2)
        clock = Clock(
            mean_s=self.mean_s + (offset_s - self.mean_s) / _MEMORY_FRAMES,
            variance_s2=max(
                self.variance_s2 + (now_s2 - self.variance_s2) / _MEMORY_FRAMES, _LEAST_S**2
            ),
        )
        return tracks.with_table(table), offset_s, clock
