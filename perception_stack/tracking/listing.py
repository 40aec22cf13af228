"""The tracked list as others see it."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import Boxes3D, TrackedObjects
from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.tracks import Tracks


def listed(
    tracks: Tracks, *, stamp_ns: int, vocabulary: tuple[str, ...], config: TrackerConfig
) -> TrackedObjects:
    """Confirmed and coasting tracks, and tentative ones if the configuration says so."""
    from perception_stack.tracking.kernels.listing import columns

    p = numbers(config)
    shown, pose, twist, size_covariance, belief, seen = columns(
        tracks.table, stamp_ns, config.publish_tentative, p
    )
    return TrackedObjects(
        boxes=Boxes3D(
            frame_id=config.fixed_frame,
            stamp_ns=stamp_ns,
            center_m=pose[0],
            quat_xyzw=pose[1],
            size_lwh_m=pose[2],
            covariance=pose[3],
            score=1 / (1 + np.exp(-belief[0])),
            classes=vocabulary,
            class_probs=tracks.class_probs[shown],
            sensors=tuple(tracks.sensors[shown]),
        ),
        ids=tuple(tracks.ids[shown]),
        state=belief[1],
        velocity_mps=twist[0],
        angular_velocity_radps=twist[1],
        acceleration_mps2=twist[2],
        twist_covariance=twist[3],
        size_covariance=size_covariance,
        orientation_known=belief[2],
        stationary=belief[3],
        num_detections=seen[0],
        last_seen_ns=seen[1],
    )
