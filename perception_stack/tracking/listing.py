"""The tracked list as others see it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, TrackedObjects, TrackState
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.existence import log_odds_of, probability
from perception_stack.tracking.heading import is_known
from perception_stack.tracking.tracks import POSE, TWIST, Tracks


def listed(
    tracks: Tracks, *, stamp_ns: int, vocabulary: tuple[str, ...], config: TrackerConfig
) -> TrackedObjects:
    """Confirmed and coasting tracks, and tentative ones if the configuration says so."""
    shown = tracks.confirmed & (tracks.log_odds >= log_odds_of(config.list_existence))
    if config.publish_tentative:
        shown |= ~tracks.confirmed
    tracks = tracks.rows(shown)
    size_covariance = np.zeros((len(tracks), 3, 3))
    size_covariance[:, np.arange(3), np.arange(3)] = tracks.size_variance_m2
    return TrackedObjects(
        boxes=Boxes3D(
            frame_id=config.fixed_frame,
            stamp_ns=stamp_ns,
            center_m=tracks.center_m,
            quat_xyzw=tracks.quat_xyzw,
            size_lwh_m=tracks.size_lwh_m,
            covariance=tracks.covariance[:, POSE, POSE],
            score=probability(tracks.log_odds),
            classes=vocabulary,
            class_probs=tracks.class_probs,
            sensors=tuple(tracks.sensors),
        ),
        ids=tuple(tracks.ids),
        state=_states(tracks, stamp_ns),
        velocity_mps=tracks.twist[:, :3],
        angular_velocity_radps=tracks.twist[:, 3:],
        twist_covariance=tracks.covariance[:, TWIST, TWIST],
        acceleration_mps2=np.full((len(tracks), 3), np.nan),
        size_covariance=size_covariance,
        orientation_known=is_known(tracks),
        stationary=_is_stationary(tracks, config),
        num_detections=tracks.num_detections,
        last_seen_ns=tracks.last_seen_ns,
    )


def _states(tracks: Tracks, stamp_ns: int) -> NDArray[np.uint8]:
    confirmed = np.where(
        tracks.last_seen_ns == stamp_ns, TrackState.CONFIRMED, TrackState.COASTING
    )
    state: NDArray[np.uint8] = np.where(tracks.confirmed, confirmed, TrackState.TENTATIVE).astype(
        np.uint8
    )
    return state


def _is_stationary(tracks: Tracks, config: TrackerConfig) -> NDArray[np.bool_]:
    """Whether zero lies in the confidence region of the velocity (chi-square test)."""
    from scipy.special import gammaincinv

    from perception_stack.tracking.kernels.motion import along_motion

    _, squared = along_motion(tracks.quat_xyzw, tracks.twist, tracks.covariance, 1.0)
    still: NDArray[np.bool_] = squared <= 2 * gammaincinv(1.5, config.stationary_probability)
    return still
