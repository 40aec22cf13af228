"""What a detection teaches about pose, motion and size: the Kalman update.

The rotation is estimated as a small turn about the fixed axes from the predicted one, which is
what the covariance of a pose speaks of as well (multiplicative filter, Markley 2003).
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.heading import gathered, votes
from perception_stack.tracking.measurements import Measurements
from perception_stack.tracking.sight import Sight
from perception_stack.tracking.tracks import Tracks

_NOWHERE = np.full(3, np.nan)


def updated(
    tracks: Tracks, measurements: Measurements, config: TrackerConfig, sight: Sight | None = None
) -> Tracks:
    """Tracks after one detection each; row i of one belongs to row i of the other.

    The size is corrected first. Where it is known from where the detector looked, the sides
    turned to it then stay where they were measured, whatever the size is believed to be.
    """
    from perception_stack.tracking.kernels import filter as kernels

    state, num_quarters, _ = kernels.updated(
        tracks.state,
        measurements.state,
        config.size_noise,
        _NOWHERE if sight is None else sight.origin_m,
    )
    vote = votes(num_quarters, measurements.yaw_variance_rad2, config)
    return tracks.with_state(state, heading=gathered(tracks.heading, vote))


def size_noise_m2(
    ends_noise_m2: FloatArray, size_lwh_m: FloatArray, config: TrackerConfig
) -> FloatArray:
    """Variance of measured sides of things of a given size, float64 [N, 3]."""
    variance: FloatArray = ends_noise_m2 + (config.size_noise * size_lwh_m) ** 2
    return variance
