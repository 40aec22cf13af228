"""The upright box of each object: least footprint over the points, hidden parts said in numbers.

What the camera cannot see is not made up. A thing reaches down to its support unless something is
seen below it, and the far side that is hidden by the near one counts in the covariance.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, Boxes3D, FloatArray
from perception_stack.depth.support import Plane
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import quat_from_matrix

_UP_IN_CAMERA = np.array([0.0, -1.0, 0.0])  # of a camera held level
_STEP_RAD = np.deg2rad(3.0)
_MOST_POINTS = 1000  # of one object that are looked at
_TRIM = 1.0  # percent of the points left out at each side
_STANDS_BELOW = 0.3  # lower than this share of its top, an object reaches down to its support
_LEAST_SIZE_M = 0.005
_STRAIGHT_DOWN = 1e-3  # sine of the angle between sight and plumb line
_SIDE_NOISE = 0.06  # of the longest side, relative to it
_HIDDEN = 0.25  # deviation of the hidden far side, relative to the side across
_OCCLUDED = 0.4  # deviation, relative to the longest side, where all of the outline is hidden
_ANGLE_RAD = 0.1
_TILT_RAD = 0.03
_TILT_UNKNOWN_RAD = 0.4
_SQUARE = 0.6  # width over length from where on the two may be mistaken for each other
_HALF_TRUSTED_POINTS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """The points of M objects, those of one after those of the other.

    Attributes:
        points_m: float64 [P, 3], in the camera's frame.
        start: int64 [M + 1], object i has rows ``start[i]`` to ``start[i + 1]``.
        occluded: float64 [M], share of the outline where something nearer or the image ends it.
    """

    points_m: FloatArray
    start: NDArray[np.int64]
    occluded: FloatArray


def upright_boxes(
    objects: Objects, floor: Plane | None, *, noise: float, frame_id: str, stamp_ns: int
) -> Boxes3D:
    """One box per object, its longer side being the length.

    Args:
        objects: Each with at least one point.
        floor: What says where up is; without, the camera is taken to be level.
        noise: Depth noise at 1 m.
        frame_id: Of the points.
        stamp_ns: Of the image.
    """
    num = len(objects.start) - 1
    if num == 0:
        return Boxes3D.empty(frame_id=frame_id, stamp_ns=stamp_ns)
    up = _UP_IN_CAMERA if floor is None else floor.up
    ahead = _level(np.array([[0.0, 0.0, 1.0]]), up)[0]
    world = np.stack([ahead, np.cross(up, ahead), up])
    points_m = objects.points_m @ world.T
    yaw_rad = _least_footprint(points_m, objects.start, _STEP_RAD, _MOST_POINTS)
    low_m, high_m, axes = np.empty((num, 3)), np.empty((num, 3)), np.zeros((num, 3, 3))
    for i in range(num):
        mine = points_m[objects.start[i] : objects.start[i + 1]]
        mine = mine[:: len(mine) // _MOST_POINTS + 1]
        c, s = np.cos(yaw_rad[i]), np.sin(yaw_rad[i])
        axes[i] = [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]
        low, high = np.percentile(mine @ axes[i].T, [_TRIM, 100 - _TRIM], axis=0)
        if high[1] - low[1] > high[0] - low[0]:  # a quarter turn
            axes[i, :2] = [[-s, c, 0.0], [-c, -s, 0.0]]
            low[:2], high[:2] = (low[1], -high[0]), (high[1], -low[0])
        low_m[i], high_m[i] = low, high
    if floor is not None:
        ground_m = -1 / np.linalg.norm(floor.inverse_m)
        stands = low_m[:, 2] - ground_m < _STANDS_BELOW * (high_m[:, 2] - ground_m)
        low_m[stands, 2] = ground_m
    size_m = np.maximum(high_m - low_m, _LEAST_SIZE_M)
    axes = axes @ world
    center_m = np.einsum("ni,nij->nj", (low_m + high_m) / 2, axes)
    tilt_rad = _TILT_UNKNOWN_RAD if floor is None else _TILT_RAD
    covariance = _covariance(size_m, center_m, up, noise, objects.occluded, tilt_rad)
    count = np.diff(objects.start)
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        center_m=center_m,
        quat_xyzw=quat_from_matrix(axes.swapaxes(1, 2)),
        size_lwh_m=size_m,
        covariance=covariance,
        score=count / (count + _HALF_TRUSTED_POINTS),
        classes=(UNKNOWN,),
        class_probs=np.ones((num, 1)),
        sensors=(("depth",),) * num,
    )


def _covariance(
    size_m: FloatArray,
    center_m: FloatArray,
    up: FloatArray,
    noise: float,
    occluded: FloatArray,
    tilt_rad: float,
) -> FloatArray:
    """Covariances [M, 6, 6] about the camera's axes.

    Seen level only the front shows, so the far side is unknown; from above the whole top does.
    """
    sight = center_m / np.linalg.norm(center_m, axis=1, keepdims=True)
    ahead = _level(sight, up)
    frame = np.stack([ahead, np.cross(up, ahead), np.broadcast_to(up, ahead.shape)], axis=2)
    side_m = (_SIDE_NOISE + _OCCLUDED * occluded) * size_m.max(axis=1)
    variance = np.tile(((noise * center_m[:, 2] ** 2) ** 2 + side_m**2)[:, None], 3)
    variance[:, 0] += (_HIDDEN * size_m[:, 1] * np.einsum("ni,ni->n", ahead, sight)) ** 2
    square = np.clip((size_m[:, 1] / size_m[:, 0] - _SQUARE) / (1 - _SQUARE), 0.0, 1.0) / 2
    # mean squared error of a guess among opposite directions, and among two at right angles
    turn = _ANGLE_RAD**2 + (1 - square) * np.pi**2 / 2 + square * (np.pi / 2) ** 2
    tilt = np.full_like(turn, tilt_rad**2)
    covariance = np.zeros((len(size_m), 6, 6))
    covariance[:, :3, :3] = np.einsum("nij,nj,nkj->nik", frame, variance, frame)
    turns = np.stack([tilt, tilt, turn], axis=1)
    covariance[:, 3:, 3:] = np.einsum("nij,nj,nkj->nik", frame, turns, frame)
    return covariance


def _level(directions: FloatArray, up: FloatArray) -> FloatArray:
    """The part of each direction at right angles to up, of unit length, [M, 3].

    Looking straight down, no direction is ahead, and any such one serves.
    """
    level = directions - (directions @ up)[:, None] * up
    any_axis = np.eye(3)[np.argmin(np.abs(up))]
    down = np.linalg.norm(level, axis=1) < _STRAIGHT_DOWN
    level[down] = any_axis - (any_axis @ up) * up
    unit: FloatArray = level / np.linalg.norm(level, axis=1, keepdims=True)
    return unit


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
