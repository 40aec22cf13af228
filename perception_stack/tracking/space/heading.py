"""Which side of a box is ahead, by detections and by motion."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.config import Row
from perception_stack.tracking.space.measurements import UNKNOWN_HEADING_RAD
from perception_stack.tracking.space.turns import cholesky, swap_sides, turn_on, write_axes

_MOST_EVIDENCE = 8.0  # detections of one object err together; bounds what they can pile up
_MOTION_EVIDENCE = 3.0  # concentration of the direction of motion about the heading
_SIGNIFICANT_SIGMA = 3.0  # speed, in its own deviation, that counts half
_SWITCH_EVIDENCE = 1.0  # hysteresis
_KNOWN_EVIDENCE = np.log(9.0)  # 90 %


@machine_code
def vote(heading: FloatArray, quarters: int, yaw_variance_rad2: float, p: Row) -> None:
    """Add what a detection says to the belief in each side, in place.

    Args:
        heading: float64 [4], log probabilities relative to the best, bounded below.
        quarters: Quarter turns that brought the detection nearest to the track.
        yaw_variance_rad2: Of the detection; a large one has no vote.
        p: Parameters.
    """
    best = -np.inf
    for k in range(4):
        if yaw_variance_rad2 <= UNKNOWN_HEADING_RAD**2:
            heading[k] += p.log_flip[(-quarters - k) % 4]
        best = max(best, heading[k])
    for k in range(4):
        heading[k] = max(heading[k] - best, -_MOST_EVIDENCE)


@machine_code
def motion(t: Row) -> tuple[float, float, float]:
    """How a box moves.

    Returns:
        The cosines of its velocity with its x and y axes, less the less significant the speed is;
        and the squared Mahalanobis distance of the velocity from zero.
    """
    axes, factor, white = np.empty((3, 3)), np.empty((3, 3)), np.empty(3)
    write_axes(t.quat_xyzw, axes)
    ahead, left, variance, squared = 0.0, 0.0, 0.0, 0.0
    for i in range(3):
        ahead += axes[i, 0] * t.twist[i]
        left += axes[i, 1] * t.twist[i]
        variance += t.covariance[6 + i, 6 + i] / 3
        white[i] = t.twist[i]
        for j in range(3):
            factor[i, j] = t.covariance[6 + i, 6 + j]
    cholesky(factor, 3)
    for i in range(3):
        for j in range(i):
            white[i] -= factor[i, j] * white[j]
        white[i] /= factor[i, i]
        squared += white[i] ** 2
    speed2 = ahead**2 + left**2
    weight = np.sqrt(speed2) / (speed2 + _SIGNIFICANT_SIGMA**2 * variance)
    return weight * ahead, weight * left, squared


@machine_code
def _belief(t: Row, ahead: float, left: float) -> FloatArray:
    """Log belief in each side by detections so far and by present motion, float64 [4]."""
    belief = np.empty(4)
    belief[0] = t.heading[0] + _MOTION_EVIDENCE * ahead
    belief[1] = t.heading[1] + _MOTION_EVIDENCE * left
    belief[2] = t.heading[2] - _MOTION_EVIDENCE * ahead
    belief[3] = t.heading[3] - _MOTION_EVIDENCE * left
    return belief


@machine_code
def settle(t: Row) -> None:
    """Turn x of a track to the side believed to be ahead, in place.

    The covariance stays: it is about the fixed axes, and the box has not moved.
    """
    ahead, left, _ = motion(t)
    belief = _belief(t, ahead, left)
    quarters = int(np.argmax(belief))
    if belief[quarters] - belief[0] <= _SWITCH_EVIDENCE:
        return
    turn_on(t.quat_xyzw, quarters)
    if quarters % 2 == 1:
        swap_sides(t.size_lwh_m)
        swap_sides(t.size_variance_m2)
    before = t.heading.copy()
    for k in range(4):
        t.heading[k] = before[(k + quarters) % 4]


@machine_code
def told(t: Row) -> tuple[bool, float]:
    """Whether the front is told from the rear; squared distance of the velocity from zero."""
    ahead, left, squared = motion(t)
    belief = _belief(t, ahead, left)
    return belief[0] - belief[2] > _KNOWN_EVIDENCE, squared
