"""The tracked list as others see it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray, TrackedObjects, TrackState
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.config import Parameters
from perception_stack.tracking.space.heading import told
from perception_stack.tracking.space.tracks import Tracks, TrackTable

Pose = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
"""Centres [N, 3], rotations [N, 4], sizes [N, 3], covariances of the pose [N, 6, 6]."""
Motion = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
"""Velocities, turn rates, accelerations [N, 3]; covariances of the first two [N, 6, 6]."""
Belief = tuple[FloatArray, NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]
"""Log odds of existence [N], states [N], whether the heading is known, whether it stands."""
Seen = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Numbers of detections [N], stamps of the last ones [N]."""

_TENTATIVE, _CONFIRMED = int(TrackState.TENTATIVE), int(TrackState.CONFIRMED)
_COASTING = int(TrackState.COASTING)


def listed(
    tracks: Tracks,
    *,
    frame_id: str,
    stamp_ns: int,
    vocabulary: tuple[str, ...],
    parameters: Parameters,
) -> TrackedObjects:
    """Confirmed and coasting tracks, and tentative ones if the parameters say so."""
    shown, pose, twist, size_covariance, belief, seen = columns(tracks.table, stamp_ns, parameters)
    rows = shown.tolist()
    return TrackedObjects(
        boxes=Boxes3D(
            frame_id=frame_id,
            stamp_ns=stamp_ns,
            center_m=pose[0],
            quat_xyzw=pose[1],
            size_lwh_m=pose[2],
            covariance=pose[3],
            score=1 / (1 + np.exp(-belief[0])),
            classes=vocabulary,
            class_probs=tracks.class_probs.take(shown, axis=0),
            sensors=tuple([tracks.sensors[n] for n in rows]),
        ),
        ids=tuple([tracks.ids[n] for n in rows]),
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


@machine_code
def columns(
    table: TrackTable, stamp_ns: int, parameters: Parameters
) -> tuple[NDArray[np.intp], Pose, Motion, FloatArray, Belief, Seen]:
    """What the list says of the tracks that are in it.

    Returns:
        Their rows in the table, int [N]; poses, twists, covariances of the size [N, 3, 3], what is
        believed, when they were seen.
    """
    p = parameters[0]
    shown, num = np.empty(len(table), dtype=np.intp), 0
    for row in range(len(table)):
        t = table[row]
        if t.log_odds >= p.list_log_odds if t.confirmed else p.publish_tentative:
            shown[num] = row
            num += 1
    shown = shown[:num].copy()
    center, quat, size = np.empty((num, 3)), np.empty((num, 4)), np.empty((num, 3))
    covariance, twist_covariance = np.empty((num, 6, 6)), np.empty((num, 6, 6))
    velocity, turn_rate = np.empty((num, 3)), np.empty((num, 3))
    acceleration = np.empty((num, 3))
    size_covariance = np.zeros((num, 3, 3))
    log_odds, state = np.empty(num), np.empty(num, dtype=np.uint8)
    known, still = np.empty(num, dtype=np.bool_), np.empty(num, dtype=np.bool_)
    num_detections, last_ns = np.empty(num, dtype=np.int64), np.empty(num, dtype=np.int64)
    for n in range(num):
        t = table[shown[n]]
        for i in range(3):
            center[n, i], size[n, i] = t.center_m[i], t.size_lwh_m[i]
            velocity[n, i], turn_rate[n, i] = t.twist[i], t.twist[3 + i]
            acceleration[n, i] = t.acceleration_mps2[i]
            size_covariance[n, i, i] = t.size_variance_m2[i]
        for i in range(4):
            quat[n, i] = t.quat_xyzw[i]
        for i in range(6):
            for j in range(6):
                covariance[n, i, j] = t.covariance[i, j]
                twist_covariance[n, i, j] = t.covariance[6 + i, 6 + j]
        log_odds[n], num_detections[n], last_ns[n] = t.log_odds, t.num_detections, t.last_seen_ns
        known[n], squared = told(t)
        still[n] = squared <= p.still
        if not t.confirmed:
            state[n] = _TENTATIVE
        else:
            state[n] = _CONFIRMED if t.last_seen_ns == stamp_ns else _COASTING
    return (
        shown,
        (center, quat, size, covariance),
        (velocity, turn_rate, acceleration, twist_covariance),
        size_covariance,
        (log_odds, state, known, still),
        (num_detections, last_ns),
    )
