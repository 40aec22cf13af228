"""New tracks of detections that belong to none."""

from __future__ import annotations

from uuid import UUID, uuid5

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry._overlap_kernels import footprint_overlap_m2
from perception_stack.geometry.compiled import machine_code
from perception_stack.journal import Journal
from perception_stack.tracking.common.assignment import IntArray
from perception_stack.tracking.common.config import Parameters, Row
from perception_stack.tracking.common.existence import born
from perception_stack.tracking.common.left_out import count_unborn
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.heading import vote
from perception_stack.tracking.space.history import When
from perception_stack.tracking.space.measurements import FoundTable, Measurements
from perception_stack.tracking.space.tracks import (
    NUM_LEVELS,
    TRACK,
    Tracks,
    TrackTable,
)
from perception_stack.tracking.space.turns import write_upright

# of this package; fixed, so that the same input gives the same identities
_NAMESPACE = UUID("5b0f6f5e-6f0b-5a53-9d7c-3f1c7a0f2e11")


def with_births(
    tracks: Tracks,
    found: Measurements,
    chosen: IntArray,
    *,
    when: When,
    config: TrackerConfig,
    parameters: Parameters,
    journal: Journal,
) -> Tracks:
    """Tracks, and new ones of detections that were not chosen; those not worth one are counted."""
    stamp_ns, _, source = when
    new, num_weak, num_taken = worth_a_track(found.table, chosen, tracks.table, parameters)
    count_unborn(num_weak, num_taken, config, journal, stamp_ns=stamp_ns)
    if len(new) == 0:
        return tracks
    return births(tracks, found.rows(new), stamp_ns=stamp_ns, source=source, parameters=parameters)


def births(
    tracks: Tracks,
    measurements: Measurements,
    *,
    stamp_ns: int,
    parameters: Parameters,
    source: str = "",
) -> Tracks:
    """The tracks, and one for each detection, standing still for all one knows.

    An identity is made of source and stamp of the frame and the place in the order of its births.
    """
    places = range(len(measurements))
    ids = [uuid5(_NAMESPACE, f"{source}{stamp_ns}/{place}") for place in places]
    return Tracks(
        table=joined(tracks.table, measurements.table, stamp_ns, parameters),
        class_probs=np.concatenate([tracks.class_probs, measurements.class_probs]),
        sensors=tracks.sensors + measurements.sensors,
        ids=(*tracks.ids, *ids),
    )


@machine_code
def worth_a_track(
    found: FoundTable, chosen: IntArray, tracks: TrackTable, parameters: Parameters
) -> tuple[IntArray, int, int]:
    """Which free detections are sure enough and lie inside of nothing that is tracked already.

    Two bodies do not share a place: detectors run class by class report a cyclist as a pedestrian
    as well. The tilt of boxes is left out, which hardly matters to the overlap.

    Args:
        found: [M].
        chosen: The detections of tracks, -1 for none; the others are free.
        tracks: [N].
        parameters: Least score, most overlap.

    Returns:
        Rows of the detections; the number of those too weak, and of those inside of a track.
    """
    p = parameters[0]
    is_free = np.ones(len(found), dtype=np.bool_)
    for m in chosen:
        if m >= 0:
            is_free[m] = False
    new, num, num_weak, num_taken = np.empty(len(found), dtype=np.intp), 0, 0, 0
    for m in np.flatnonzero(is_free):
        if found[m].score < p.strong_score:
            num_weak += 1
        elif _is_taken(found[m], tracks, p.duplicate_overlap):
            num_taken += 1
        else:
            new[num] = m
            num += 1
    return new[:num].copy(), num_weak, num_taken


@machine_code
def joined(
    old: TrackTable, found: FoundTable, stamp_ns: int, parameters: Parameters
) -> TrackTable:
    """Old tracks, and then one for each detection of a frame."""
    table, p = np.zeros(len(old) + len(found), dtype=TRACK), parameters[0]
    for n in range(len(old)):
        table[n] = old[n]
    for m in range(len(found)):
        write_birth(found[m], stamp_ns, table[len(old) + m], p)
    return table


@machine_code
def write_birth(f: Row, stamp_ns: int, t: Row, p: Row) -> None:
    """Write the first state of a track to a row of zeros."""
    upright = np.empty((3, 3))
    write_upright(f.quat_xyzw, p.vertical_share, upright)
    scale_m = np.sqrt(np.sum(f.size_lwh_m**2))
    speed_mps, lasting_mps2 = p.speed_per_size * scale_m, p.acceleration_per_size * scale_m
    for i in range(3):
        t.center_m[i], t.size_lwh_m[i] = f.center_m[i], f.size_lwh_m[i]
        t.size_variance_m2[i] = f.ends_noise_m2[i] + (p.size_noise * f.size_lwh_m[i]) ** 2
        for j in range(3):
            t.covariance[6 + i, 6 + j] = speed_mps**2 * upright[i, j]
            t.covariance[12 + i, 12 + j] = lasting_mps2**2 * upright[i, j]
        t.covariance[9 + i, 9 + i] = p.turn_rate_radps**2
    for i in range(4):
        t.quat_xyzw[i] = f.quat_xyzw[i]
    for i in range(6):
        for j in range(6):
            t.covariance[i, j] = f.noise[i, j]
    vote(t.heading, 0, f.yaw_variance_rad2, p)
    for i in range(NUM_LEVELS):
        t.level_probs[i] = p.level_share[i]
    t.log_odds = born(f.score, p)
    t.confirmed = t.log_odds >= p.confirm_log_odds
    t.num_detections = 1
    t.last_seen_ns = stamp_ns


@machine_code
def _yaw_rad(quat: FloatArray) -> float:
    x, y, z, w = quat
    return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


@machine_code
def _level_overlap(f: Row, t: Row) -> float:
    """Intersection over union of two boxes in space, both set level."""
    half = 0.5 * f.size_lwh_m
    low = max(f.center_m[2] - half[2], t.center_m[2] - 0.5 * t.size_lwh_m[2])
    high = min(f.center_m[2] + half[2], t.center_m[2] + 0.5 * t.size_lwh_m[2])
    if high <= low:
        return 0.0
    yaw, turn = _yaw_rad(f.quat_xyzw), _yaw_rad(t.quat_xyzw) - _yaw_rad(f.quat_xyzw)
    x, y = t.center_m[0] - f.center_m[0], t.center_m[1] - f.center_m[1]
    c, s = np.cos(yaw), np.sin(yaw)
    x, y = c * x + s * y, c * y - s * x
    c, s = np.cos(turn), np.sin(turn)
    quad = np.empty((4, 2))
    for k in range(4):
        along = (0.5 if k in (0, 3) else -0.5) * t.size_lwh_m[0]
        aside = (0.5 if k < 2 else -0.5) * t.size_lwh_m[1]
        quad[k, 0], quad[k, 1] = x + c * along - s * aside, y + s * along + c * aside
    common = footprint_overlap_m2(quad, half) * (high - low)
    return float(common / (np.prod(f.size_lwh_m) + np.prod(t.size_lwh_m) - common))


@machine_code
def _is_taken(f: Row, tracks: TrackTable, most_overlap: float) -> bool:
    """Whether a detection overlaps a track by more than a limit."""
    reach_m = 0.5 * np.sqrt(np.sum(f.size_lwh_m**2))
    for n in range(len(tracks)):
        t = tracks[n]
        away2 = (f.center_m[0] - t.center_m[0]) ** 2 + (f.center_m[1] - t.center_m[1]) ** 2
        near_m = reach_m + 0.5 * np.sqrt(np.sum(t.size_lwh_m**2))
        if away2 < near_m**2 and _level_overlap(f, t) > most_overlap:
            return True
    return False
