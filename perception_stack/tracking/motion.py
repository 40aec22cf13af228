"""Where the tracks are by now: constant twist, driven by white acceleration.

The noise is that of a continuous process, so two short steps add up to one long one and the
frame rate does not matter (Bar-Shalom, Li, Kirubarajan, 2001, eq. 6.2.2-4).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.tracks import Tracks


def predict(tracks: Tracks, dt_s: float, config: TrackerConfig) -> Tracks:
    """Tracks carried on by a time step; who is still there is not its question.

    The error of the rotation is not turned along with the box: over one step the difference is
    of second order.

    Args:
        tracks: Where they were.
        dt_s: Time step in seconds, not negative.
        config: Noise.
    """
    from perception_stack.tracking.kernels import filter as kernels

    table = tracks.copied_table()
    kernels.predict(table, dt_s, numbers(config))
    return replace(tracks, table=table)


def is_lost(tracks: Tracks, config: TrackerConfig) -> NDArray[np.bool_]:
    """Which tracks could be anywhere by now, so that any detection would seem to be theirs.

    Returns:
        bool [N].
    """
    from perception_stack.tracking.kernels import filter as kernels

    return kernels.lost(tracks.table, numbers(config))
