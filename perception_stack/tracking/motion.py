"""Where the tracks are by now: constant twist, driven by white acceleration.

The noise is that of a continuous process, so two short steps add up to one long one and the
frame rate does not matter (Bar-Shalom, Li, Kirubarajan, 2001, eq. 6.2.2-4).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.geometry.transforms import quat_multiply
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.rotations import quat_from_vector
from perception_stack.tracking.tracks import PLACE, POSE, TWIST, Tracks


def predict(tracks: Tracks, dt_s: float, config: TrackerConfig) -> Tracks:
    """Tracks carried on by a time step; who is still there is not its question.

    The error of the rotation is not turned along with the box: over one step the difference is
    of second order.

    Args:
        tracks: Where they were.
        dt_s: Time step in seconds, not negative.
        config: Noise.
    """
    moved = tracks.twist * dt_s
    covariance = tracks.covariance.copy()
    covariance[:, POSE, POSE] += dt_s * (
        tracks.covariance[:, POSE, TWIST]
        + tracks.covariance[:, TWIST, POSE]
        + dt_s * tracks.covariance[:, TWIST, TWIST]
    )
    covariance[:, POSE, TWIST] += dt_s * tracks.covariance[:, TWIST, TWIST]
    covariance[:, TWIST, POSE] += dt_s * tracks.covariance[:, TWIST, TWIST]

    density = np.empty((len(tracks), 6))
    density[:, :3] = (config.acceleration_per_size * tracks.scale_m[:, None]) ** 2
    density[:, 3:] = config.turn_acceleration_radps**2
    pose, twist = np.arange(6), np.arange(6, 12)
    covariance[:, pose, pose] += density * (dt_s**3 / 3)
    covariance[:, pose, twist] += density * (dt_s**2 / 2)
    covariance[:, twist, pose] += density * (dt_s**2 / 2)
    covariance[:, twist, twist] += density * dt_s

    quat = quat_multiply(quat_from_vector(moved[:, 3:]), tracks.quat_xyzw)
    return replace(
        tracks,
        center_m=tracks.center_m + moved[:, :3],
        quat_xyzw=quat / np.sqrt(np.sum(quat**2, axis=1, keepdims=True)),
        covariance=covariance,
        size_variance_m2=tracks.size_variance_m2
        + (config.size_change * tracks.size_lwh_m) ** 2 * dt_s,
    )


def is_lost(tracks: Tracks, config: TrackerConfig) -> NDArray[np.bool_]:
    """Which tracks could be anywhere by now, so that any detection would seem to be theirs.

    Returns:
        bool [N].
    """
    variance = np.trace(tracks.covariance[:, PLACE, PLACE], axis1=1, axis2=2) / 3
    lost: NDArray[np.bool_] = np.sqrt(variance) > config.lost_spread * tracks.scale_m
    return lost
