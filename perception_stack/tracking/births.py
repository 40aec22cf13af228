"""New tracks of detections that belong to none."""

from __future__ import annotations

from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, Boxes3D
from perception_stack.geometry.overlap import iou_3d
from perception_stack.geometry.transforms import quat_from_yaw, yaw_from_quat
from perception_stack.journal import Journal, Reason
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.existence import born, log_odds_of
from perception_stack.tracking.filter import size_noise_m2
from perception_stack.tracking.heading import gathered, votes
from perception_stack.tracking.measurements import Measurements
from perception_stack.tracking.tracks import POSE, TURN_RATE, VELOCITY, Tracks, object_array

# of this package; fixed, so that the same input gives the same identities
_NAMESPACE = UUID("5b0f6f5e-6f0b-5a53-9d7c-3f1c7a0f2e11")


def with_births(
    tracks: Tracks,
    free: Measurements,
    *,
    stamp_ns: int,
    config: TrackerConfig,
    journal: Journal,
) -> Tracks:
    """Tracks, and new ones of the detections that are left; those not worth one are counted."""
    strong = free.score >= config.strong_score
    journal.count(
        Reason.BELOW_THRESHOLD,
        stamp_ns=stamp_ns,
        detail=f"score below {config.strong_score} and no object there",
        num=len(free) - int(np.sum(strong)),
    )
    if not strong.any():
        return tracks
    free = free.rows(strong)
    duplicate = is_duplicate(free, tracks, config)
    journal.count(
        Reason.DUPLICATE,
        stamp_ns=stamp_ns,
        detail=f"overlaps an object by more than {config.duplicate_overlap}",
        num=int(np.sum(duplicate)),
    )
    if duplicate.all():
        return tracks
    return tracks.followed_by(births(free.rows(~duplicate), stamp_ns=stamp_ns, config=config))


def is_duplicate(
    measurements: Measurements, tracks: Tracks, config: TrackerConfig
) -> NDArray[np.bool_]:
    """Which detections lie inside of what is tracked already: two bodies do not share a place.

    Detectors run class by class report a cyclist as a pedestrian as well.

    Returns:
        bool [M].
    """
    duplicate = np.zeros(len(measurements), dtype=np.bool_)
    offset_m = measurements.center_m[:, None] - tracks.center_m[None]
    reach_m = 0.5 * (measurements.scale_m[:, None] + tracks.scale_m[None])
    near = np.sum(offset_m**2, axis=2) < reach_m**2
    if near.any():
        rows, columns = near.any(axis=1), near.any(axis=0)
        overlap = iou_3d(_level(measurements, rows), _level(tracks, columns))
        duplicate[rows] = np.any(overlap > config.duplicate_overlap, axis=1)
    return duplicate


def births(measurements: Measurements, *, stamp_ns: int, config: TrackerConfig) -> Tracks:
    """One track for each detection, standing still for all one knows.

    An identity is made of the stamp of birth and the place in the order of that frame's births.
    """
    num = len(measurements)
    covariance = np.zeros((num, 12, 12))
    covariance[:, POSE, POSE] = measurements.noise
    speed_mps = config.speed_per_size * measurements.scale_m[:, None]
    covariance[:, VELOCITY, VELOCITY] = speed_mps[:, :, None] ** 2 * np.eye(3)
    covariance[:, TURN_RATE, TURN_RATE] = config.turn_rate_radps**2 * np.eye(3)
    log_odds = born(measurements.score, config)
    unturned = np.zeros(num, dtype=np.intp)
    return Tracks(
        center_m=measurements.center_m,
        quat_xyzw=measurements.quat_xyzw,
        twist=np.zeros((num, 6)),
        covariance=covariance,
        size_lwh_m=measurements.size_lwh_m,
        size_variance_m2=size_noise_m2(
            measurements.ends_noise_m2, measurements.size_lwh_m, config
        ),
        log_odds=log_odds,
        confirmed=log_odds >= log_odds_of(config.confirm_existence),
        heading=gathered(
            np.zeros((num, 4)), votes(unturned, measurements.yaw_variance_rad2, config)
        ),
        class_probs=measurements.class_probs,
        num_detections=np.ones(num, dtype=np.int64),
        last_seen_ns=np.full(num, stamp_ns, dtype=np.int64),
        sensors=measurements.sensors,
        ids=object_array([uuid5(_NAMESPACE, f"{stamp_ns}/{place}") for place in range(num)]),
    )


def _level(things: Measurements | Tracks, index: NDArray[np.bool_]) -> Boxes3D:
    """Some boxes without tilt, which hardly matters to the overlap and costs much."""
    num = int(np.sum(index))
    return Boxes3D(
        frame_id="",
        stamp_ns=0,
        center_m=things.center_m[index],
        quat_xyzw=quat_from_yaw(yaw_from_quat(things.quat_xyzw[index])),
        size_lwh_m=things.size_lwh_m[index],
        covariance=np.zeros((num, 6, 6)),
        score=np.ones(num),
        classes=(UNKNOWN,),
        class_probs=np.ones((num, 1)),
        sensors=((),) * num,
    )
