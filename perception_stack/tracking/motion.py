"""Where the tracks are by now: constant twist, driven by white acceleration.

The noise is that of a continuous process, so two short steps add up to one long one and the
frame rate does not matter (Bar-Shalom, Li, Kirubarajan, 2001, eq. 6.2.2-4).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.tracks import PLACE, Tracks


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

    speed_mps = np.sqrt(np.sum(tracks.twist[:, :3] ** 2, axis=1))
    acceleration_mps2 = (
        config.acceleration_per_size * tracks.scale_m + config.acceleration_per_speed * speed_mps
    )
    return tracks.with_state(
        kernels.predicted(
            tracks.state,
            dt_s,
            acceleration_mps2,
            config.turn_acceleration_radps,
            config.size_change,
        )
    )


def is_lost(tracks: Tracks, config: TrackerConfig) -> NDArray[np.bool_]:
    """Which tracks could be anywhere by now, so that any detection would seem to be theirs.

    Returns:
        bool [N].
    """
    variance = np.trace(tracks.covariance[:, PLACE, PLACE], axis1=1, axis2=2) / 3
    lost: NDArray[np.bool_] = np.sqrt(variance) > config.lost_spread * tracks.scale_m
    return lost
