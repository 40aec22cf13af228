"""Which way a box points: detections and motion vote on its four sides.

The filter tracks the axes of a box; a detection is first turned by quarters to lie nearest to
them. Which of the four directions is ahead is a belief of its own, so that a detector which
flips by a half turn, or knows only the axes, neither turns the track nor breaks it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.rotations import sides_after_quarters, turned_by_quarters
from perception_stack.tracking.tracks import Tracks

UNKNOWN_HEADING_RAD = np.pi / 4
"""Yaw deviation beyond which no side of the box is nearer than another."""

_MOST_EVIDENCE = 8.0  # detections of one object err together; bounds what they can pile up
_MOTION_EVIDENCE = 3.0  # concentration of the direction of motion about the heading
_SIGNIFICANT_SIGMA = 3.0  # speed, in its own deviation, that counts half
_SWITCH_EVIDENCE = 1.0  # hysteresis
_KNOWN = 0.9


def votes(
    num_quarters: NDArray[np.intp], yaw_variance_rad2: FloatArray, config: TrackerConfig
) -> FloatArray:
    """Log likelihood of each side being ahead, by detections.

    Args:
        num_quarters: int [N], quarter turns that brought the detection nearest to the track.
        yaw_variance_rad2: float64 [N], of the detection; large ones have no vote.
        config: How often detections flip.

    Returns:
        float64 [N, 4].
    """
    flip = config.flip_probability
    # a side taken for the front is taken to be five times rarer than a rear taken for it
    table = np.log([1 - 1.4 * flip, 0.2 * flip, flip, 0.2 * flip])
    pointed_at = -num_quarters[:, None]
    vote = table[(pointed_at - np.arange(4)) % 4]
    knows = yaw_variance_rad2 <= UNKNOWN_HEADING_RAD**2
    counted: FloatArray = np.where(knows[:, None], vote, 0.0)
    return counted


def gathered(heading: FloatArray, evidence: FloatArray) -> FloatArray:
    """Belief after more evidence: log probabilities relative to the best, bounded below."""
    total = heading + evidence
    bounded: FloatArray = np.maximum(total - np.max(total, axis=1, keepdims=True), -_MOST_EVIDENCE)
    return bounded


def with_motion(tracks: Tracks) -> FloatArray:
    """Log belief in each side being ahead, by detections so far and by present motion.

    Objects move the way they head: the direction of motion is distributed about it (von Mises),
    the less so the less significant the speed is. Motion is counted once, not at each frame,
    since the velocity already sums up the past.

    Returns:
        float64 [N, 4].
    """
    from perception_stack.tracking.kernels.motion import along_motion

    along, _ = along_motion(tracks.quat_xyzw, tracks.twist, tracks.covariance, _SIGNIFICANT_SIGMA)
    ahead, left = along.T[:, :, None]
    belief: FloatArray = tracks.heading + _MOTION_EVIDENCE * np.concatenate(
        [ahead, left, -ahead, -left], axis=1
    )
    return belief


def settled(tracks: Tracks) -> Tracks:
    """Tracks with x along the side believed to be ahead.

    The covariance stays: it is about the fixed axes, and the box has not moved.
    """
    belief = with_motion(tracks)
    best = np.argmax(belief, axis=1)
    turn = np.where(belief[np.arange(len(best)), best] - belief[:, 0] > _SWITCH_EVIDENCE, best, 0)
    if not turn.any():
        return tracks
    order = (np.arange(4) + turn[:, None]) % 4
    return replace(
        tracks,
        quat_xyzw=turned_by_quarters(tracks.quat_xyzw, turn),
        size_lwh_m=sides_after_quarters(tracks.size_lwh_m, turn),
        size_variance_m2=sides_after_quarters(tracks.size_variance_m2, turn),
        heading=np.take_along_axis(tracks.heading, order, axis=1),
    )


def is_known(tracks: Tracks) -> NDArray[np.bool_]:
    """Whether the heading is told from its opposite with 90 % probability, bool [N]."""
    belief = with_motion(tracks)
    known: NDArray[np.bool_] = belief[:, 0] - belief[:, 2] > np.log(_KNOWN / (1 - _KNOWN))
    return known
