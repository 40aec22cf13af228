"""How bodies move: poses as smooth functions of time.

Time is in seconds since the scene began; frames of reference are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from perception_stack.datatypes import FloatArray

Pose = tuple[FloatArray, FloatArray]
"""Rotation float64 [3, 3] and position float64 [3] of a body in the world."""
Motion = Callable[[float], Pose]
"""Pose at a time in seconds."""

_DERIVATIVE_STEP_S = 1e-3


def standing(rotation: FloatArray, position_m: FloatArray) -> Motion:
    """A body that stays where it is."""

    def pose(time_s: float) -> Pose:  # noqa: ARG001
        return rotation, position_m

    return pose


def velocity_mps(motion: Motion, time_s: float) -> FloatArray:
    """Velocity of the body's origin in the world, float64 [3], by central difference.

    Its error is of second order in a step of 1 ms: below 1e-6 m/s for what moves here.
    """
    _, after_m = motion(time_s + _DERIVATIVE_STEP_S)
    _, before_m = motion(time_s - _DERIVATIVE_STEP_S)
    velocity: FloatArray = (after_m - before_m) / (2 * _DERIVATIVE_STEP_S)
    return velocity


def looking(position_m: FloatArray, target_m: FloatArray) -> FloatArray:
    """Rotation of an optical frame (x right, y down, z ahead) whose axis meets a target.

    The image is level: its x axis lies in the world's x-y plane.

    Args:
        position_m: float64 [3], of the camera.
        target_m: float64 [3]; not straight above or below the camera.
    """
    ahead = target_m - position_m
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return np.column_stack([right, np.cross(ahead, right), ahead])
