"""The upright box of densely seen things: least footprint, hidden parts said in numbers.

What the camera cannot see is not made up. A thing reaches down to its support unless something is
seen below it, and the far side that is hidden by the near one counts in the covariance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, Boxes3D, FloatArray
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import quat_from_yaw

_STEP_RAD = np.deg2rad(3.0)
_MOST_POINTS = 1000  # of one object that are looked at
_TRIM = 1.0  # percent of the points left out at each side
_STANDS_BELOW = 0.3  # lower than this share of its top, an object reaches down to its support
_LEAST_SIZE_M = 0.005
_SIDE_NOISE = 0.06  # of the longest side, relative to it
_HIDDEN = 0.25  # deviation of the hidden far side, relative to the side across
_OCCLUDED = 0.4  # deviation, relative to the longest side, where all of the outline is hidden
_ANGLE_RAD = 0.1
_SQUARE = 0.6  # width over length from where on the two may be mistaken for each other
_HALF_TRUSTED_POINTS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """The points of M objects, those of one after those of the other.

    Attributes:
        points_m: float64 [P, 3], z up, the camera at the origin.
        start: int64 [M + 1], object i has rows ``start[i]`` to ``start[i + 1]``.
        ground_m: float64 [M], z of what each stands on; NaN where that is not known.
        occluded: float64 [M], share of the outline where something nearer or the image ends it.
    """

    points_m: FloatArray
    start: NDArray[np.int64]
    ground_m: FloatArray
    occluded: FloatArray


def upright_boxes(
    objects: Objects, *, noise: float, tilt_rad: float = 0.03, frame_id: str, stamp_ns: int
) -> Boxes3D:
    """One box per object, its longer side being the length.

    Args:
        objects: Each with at least one point.
        noise: Depth noise at 1 m; it grows with the square of the distance.
        tilt_rad: How well "up" is known.
        frame_id: Of the points.
        stamp_ns: Of the image.
    """
    num = len(objects.start) - 1
    if num == 0:
        return Boxes3D.empty(frame_id=frame_id, stamp_ns=stamp_ns)
    yaw_rad = _least_footprint(objects.points_m, objects.start, _STEP_RAD, _MOST_POINTS)
    center_m, size_m = np.empty((num, 3)), np.empty((num, 3))
    covariance = np.empty((num, 6, 6))
    for i in range(num):
        mine = objects.points_m[objects.start[i] : objects.start[i + 1]]
        mine = mine[:: len(mine) // _MOST_POINTS + 1]
        c, s = np.cos(yaw_rad[i]), np.sin(yaw_rad[i])
        axes = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        low, high = np.percentile(mine @ axes.T, [_TRIM, 100 - _TRIM], axis=0)
        if high[1] - low[1] > high[0] - low[0]:  # a quarter turn
            axes = np.array([axes[1], -axes[0], axes[2]])
            yaw_rad[i] += np.pi / 2
            low, high = (
                np.array([low[1], -high[0], low[2]]),
                np.array([high[1], -low[0], high[2]]),
            )
        ground_m = objects.ground_m[i]
        if low[2] - ground_m < _STANDS_BELOW * (high[2] - ground_m):  # False for NaN
            low[2] = ground_m
        size_m[i] = np.maximum(high - low, _LEAST_SIZE_M)
        center_m[i] = (low + high) / 2 @ axes
        covariance[i] = _covariance(
            size_m[i],
            center_m[i],
            noise_m=noise * float(center_m[i] @ center_m[i]),
            occluded=float(objects.occluded[i]),
            tilt_rad=tilt_rad,
        )
    count = np.diff(objects.start)
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        center_m=center_m,
        quat_xyzw=quat_from_yaw(yaw_rad),
        size_lwh_m=size_m,
        covariance=covariance,
        score=count / (count + _HALF_TRUSTED_POINTS),
        classes=(UNKNOWN,),
        class_probs=np.ones((num, 1)),
        sensors=(("depth",),) * num,
    )


def _covariance(
    size_m: FloatArray, center_m: FloatArray, *, noise_m: float, occluded: float, tilt_rad: float
) -> FloatArray:
    """Covariance [6, 6].

    Seen level only the front shows, so the far side is unknown; from above the whole top does.
    """
    level_m = float(np.hypot(center_m[0], center_m[1]))
    # looking straight down, no direction is ahead
    x, y = center_m[:2] / level_m if level_m > _LEAST_SIZE_M else (1.0, 0.0)
    turn = np.array([[x, -y, 0.0], [y, x, 0.0], [0.0, 0.0, 1.0]])
    side_m = (_SIDE_NOISE + _OCCLUDED * occluded) * size_m.max()
    variance = np.full(3, noise_m**2 + side_m**2)
    sight = level_m / max(float(np.linalg.norm(center_m)), _LEAST_SIZE_M)
    variance[0] += (_HIDDEN * size_m[1] * sight) ** 2
    square = np.clip((size_m[1] / size_m[0] - _SQUARE) / (1 - _SQUARE), 0.0, 1.0) / 2
    # mean squared error of a guess among opposite directions, and among two at right angles
    yaw = _ANGLE_RAD**2 + (1 - square) * np.pi**2 / 2 + square * (np.pi / 2) ** 2
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = turn @ np.diag(variance) @ turn.T
    covariance[[3, 4, 5], [3, 4, 5]] = [tilt_rad**2, tilt_rad**2, yaw]
    return covariance


@compiled
def _least_footprint(points_m: Any, start: Any, step_rad: float, most: int) -> Any:
    """Direction of the sides of the least rectangle around each object's footprint, [M]."""
    num_steps = round(0.5 * np.pi / step_rad)
    yaw_rad = np.zeros(len(start) - 1)
    for one in range(len(start) - 1):
        stride = (start[one + 1] - start[one] - 1) // most + 1
        least = np.inf
        for step in range(num_steps):
            c, s = np.cos(step * step_rad), np.sin(step * step_rad)
            low_a, high_a, low_b, high_b = np.inf, -np.inf, np.inf, -np.inf
            for i in range(start[one], start[one + 1], stride):
                a = c * points_m[i, 0] + s * points_m[i, 1]
                b = c * points_m[i, 1] - s * points_m[i, 0]
                low_a, high_a = min(low_a, a), max(high_a, a)
                low_b, high_b = min(low_b, b), max(high_b, b)
            area = (high_a - low_a) * (high_b - low_b)
            if area < least:
                least = area
                yaw_rad[one] = step * step_rad
    return yaw_rad
