"""First state of new tracks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry._overlap_kernels import footprint_overlap_m2
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.found import FoundTable
from perception_stack.tracking.kernels.existence import log_odds_of_score
from perception_stack.tracking.kernels.heading import vote
from perception_stack.tracking.kernels.turns import write_upright
from perception_stack.tracking.tracks import NUM_LEVELS, Row, TrackTable


@machine_code
def bear(found: FoundTable, tracks: TrackTable, stamp_ns: int, p: Row) -> None:
    """Write a track for each detection, standing still for all one knows.

    Args:
        found: [M].
        tracks: [M], zeros.
        stamp_ns: Stamp of the frame.
        p: Parameters.
    """
    upright = np.empty((3, 3))
    for m in range(len(found)):
        f, t = found[m], tracks[m]
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
        t.log_odds = log_odds_of_score(f.score) + np.log(p.birth_odds)
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
def is_taken(found: FoundTable, tracks: TrackTable, most_overlap: float) -> NDArray[np.bool_]:
    """Which detections overlap a track by more than a limit; see :func:`births.is_duplicate`."""
    taken = np.zeros(len(found), dtype=np.bool_)
    for m in range(len(found)):
        f = found[m]
        reach_m = 0.5 * np.sqrt(np.sum(f.size_lwh_m**2))
        for n in range(len(tracks)):
            t = tracks[n]
            away2 = (f.center_m[0] - t.center_m[0]) ** 2 + (f.center_m[1] - t.center_m[1]) ** 2
            near_m = reach_m + 0.5 * np.sqrt(np.sum(t.size_lwh_m**2))
            if away2 < near_m**2 and _level_overlap(f, t) > most_overlap:
                taken[m] = True
                break
    return taken
