"""The clock of a sensor: when its frames were made, and how far off its stamps usually are.

A frame that is late by ``d`` shows everything ahead of its prediction by its velocity times ``d``.
``d`` has a normal prior, each detection is a measurement of it, and the tracks are set to when
they were detected.

Two opinions of when a frame was made compete for the prior. One is its stamp. The other is that
the sensor looks at a regular rate of its own, while the stamps are made later, where the data
arrive: a straight line through the newest stamps over the count of frames (least squares that
forget; Olson, "A passive solution to the sensor synchronization problem", IROS 2010). How far each
opinion usually is off is learned from what motion tells (moments with forgetting), and the better
one is taken. Where stamps are good the two are the same. What is off the same way in frame after
frame is no jitter but things that speed up, and does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.measurements import Measurements
from perception_stack.tracking.tracks import Tracks

CLOCK = np.dtype(
    [
        ("of_stamps", np.float64, (2,)),
        ("of_rate", np.float64, (2,)),
        ("ahead_s", np.float64),
        ("period_s", np.float64),
        ("spread", np.float64, (3,)),
        ("num_frames", np.int64),
    ],
    align=True,
)
"""All that is known of a clock.

- ``of_stamps``, ``of_rate``: how far off the two opinions are: mean in seconds, variance.
- ``ahead_s``, ``period_s``: the line at the newest frame less its stamp, and its slope.
- ``spread``: variance of the line there, covariance with the slope, variance of the slope, all in
  units of the variance of a stamp.
- ``num_frames``: that the line is through.
"""
_BYTES = np.dtype((np.void, CLOCK.itemsize))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What is known of when the frames of one source are made.

    Attributes:
        state: [1] of :data:`CLOCK`.
        ahead_s: How long after its stamp the newest frame was made, by the better opinion.
        variance_s2: Of that.
    """

    state: NDArray[Any]
    ahead_s: float
    variance_s2: float

    @classmethod
    def new(cls, config: TrackerConfig) -> Clock:
        """At the first frame, before anything is known."""
        from perception_stack.tracking.kernels.clock import start_line

        state = np.zeros(1, dtype=CLOCK)
        variance_s2 = config.stamp_noise_s**2
        state["of_stamps"] = state["of_rate"] = 0.0, variance_s2
        start_line(state)
        return cls(state=state, ahead_s=0.0, variance_s2=variance_s2)

    def after(self, dt_s: float) -> Clock:
        """Another one, at one more frame, whose stamp is ``dt_s`` after that of the newest."""
        from perception_stack.tracking.kernels.clock import lengthen_line

        # all at once; NumPy would go field by field
        state = self.state.view(_BYTES).copy().view(CLOCK)
        ahead_s, variance_s2 = lengthen_line(state, dt_s)
        return Clock(state=state, ahead_s=ahead_s, variance_s2=variance_s2)

    def set_by(
        self,
        tracks: Tracks,
        found: Measurements,
        chosen: NDArray[np.intp],
        config: TrackerConfig,
    ) -> tuple[Tracks, float]:
        """Predicted tracks, set to when they were detected; what that tells is learned in place.

        Args:
            tracks: Predicted for ``ahead_s`` after the stamp.
            found: Detections of the frame.
            chosen: int [N], detection of each track, -1 for none.
            config: Parameters.

        Returns:
            The tracks, and how many seconds after their prediction they are true.
        """
        from perception_stack.tracking.kernels.clock import set_to_detections

        table = tracks.copied_table()
        late_s = set_to_detections(table, found.table, chosen, self.state, numbers(config))
        return tracks.with_table(table), late_s
