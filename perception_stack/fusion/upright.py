"""The smallest upright box around the points of one object, and how well it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.fusion.support import Plane
from perception_stack.geometry.transforms import quat_from_matrix

_UP_IN_CAMERA = np.array([0.0, -1.0, 0.0])  # of a camera held level
_STEP_RAD = np.deg2rad(2.0)
_TRIM = 1.0  # percent of the points left out at each side: flying pixels
_MOST_POINTS = 1000
_STANDS_BELOW = 0.3  # lower than this share of its top, an object reaches down to the support
_LEAST_SIZE_M = 0.005
_SIDE_NOISE = 0.03  # of a side, relative to it
_HIDDEN = 0.25  # deviation of the hidden far side, relative to the side across
_ANGLE_RAD = 0.1
_TILT_RAD = 0.03
_TILT_UNKNOWN_RAD = 0.4
_SQUARE = 0.6  # width over length from where on the two may be mistaken for each other


@dataclass(frozen=True, slots=True, kw_only=True)
class UprightBox:
    """One box in the camera's frame; shapes as a row of ``Boxes3D``."""

    center_m: FloatArray
    quat_xyzw: FloatArray
    size_lwh_m: FloatArray
    covariance: FloatArray


def upright_box(points_m: FloatArray, support: Plane | None, *, noise_m: float) -> UprightBox:
    """The upright box of least footprint, its longer side being the length.

    Args:
        points_m: float64 [N, 3] of one object in the camera's frame, N at least 1.
        support: What it stands on; without, the camera is taken to be level.
        noise_m: Depth noise at its distance.
    """
    points_m = points_m[:: len(points_m) // _MOST_POINTS + 1]
    up = _UP_IN_CAMERA if support is None else support.normal
    ahead = _level(points_m.mean(axis=0), up)
    across = np.cross(up, ahead)

    angles = np.arange(0, np.pi / 2, _STEP_RAD)
    axes = np.cos(angles)[:, None] * ahead + np.sin(angles)[:, None] * across  # [A, 3]
    axes = np.stack([axes, np.cross(up, axes)], axis=1)
    limits = np.percentile(axes @ points_m.T, [_TRIM, 100 - _TRIM], axis=2)  # [2, A, 2]
    sides = limits[1] - limits[0]
    best = int(np.argmin(sides.prod(axis=1)))
    middle, side, axis = limits[:, best].mean(axis=0), sides[best], axes[best]
    if side[1] > side[0]:
        middle, side, axis = middle[::-1], side[::-1], np.stack([axis[1], -axis[0]])
        middle = middle * np.array([1.0, -1.0])

    low, high = np.percentile(points_m @ up, [_TRIM, 100 - _TRIM])
    if support is not None and low - support.offset_m < _STANDS_BELOW * (high - support.offset_m):
        low = support.offset_m
    size_m = np.maximum([side[0], side[1], high - low], _LEAST_SIZE_M)
    return UprightBox(
        center_m=middle @ axis + up * (low + high) / 2,
        quat_xyzw=quat_from_matrix(np.column_stack([axis[0], axis[1], up])),
        size_lwh_m=size_m,
        covariance=_covariance(
            size_m,
            frame=np.column_stack([ahead, across, up]),
            level=float(ahead @ _unit(points_m.mean(axis=0))),
            noise_m=noise_m,
            tilt_rad=_TILT_UNKNOWN_RAD if support is None else _TILT_RAD,
        ),
    )


def _covariance(
    size_m: FloatArray, *, frame: FloatArray, level: float, noise_m: float, tilt_rad: float
) -> FloatArray:
    """Covariance [6, 6] about the camera's axes.

    ``frame`` holds the directions away from the camera, across, and up; ``level`` is how level
    the look at the object is: from above its whole top is seen, from the side only its front.
    """
    variance = noise_m**2 + (_SIDE_NOISE * size_m.max()) ** 2 + np.zeros(3)
    variance[0] += (_HIDDEN * size_m[1] * level) ** 2
    square = np.clip((size_m[1] / size_m[0] - _SQUARE) / (1 - _SQUARE), 0.0, 1.0) / 2
    # mean squared error of a guess among opposite directions, and among two at right angles
    turn = _ANGLE_RAD**2 + (1 - square) * np.pi**2 / 2 + square * (np.pi / 2) ** 2
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = frame @ np.diag(variance) @ frame.T
    covariance[3:, 3:] = frame @ np.diag([tilt_rad**2, tilt_rad**2, turn]) @ frame.T
    return covariance


def _unit(vector: FloatArray) -> FloatArray:
    unit: FloatArray = vector / np.linalg.norm(vector)
    return unit


def _level(direction: FloatArray, up: FloatArray) -> FloatArray:
    """The part of a direction at right angles to up, of unit length; any such where there is none.

    Looking straight down, no direction is ahead.
    """
    for candidate in (direction, np.array([1.0, 0.0, 0.0])):
        level = candidate - (candidate @ up) * up
        if np.linalg.norm(level) > 1e-3 * np.linalg.norm(candidate):
            return _unit(level)
    return _unit(np.cross(up, [0.0, 0.0, 1.0]))
