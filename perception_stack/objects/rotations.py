"""Orientations spread evenly, and turns about axes."""

from __future__ import annotations

from functools import cache

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import matrix_from_quat

# sqrt(2), and the root of x^4 = x + 4
_PHI, _PSI = np.sqrt(2.0), 1.533751168755204288118041


@cache
def even_rotations(num: int) -> FloatArray:
    """Rotations that cover all orientations evenly, float64 [num, 3, 3].

    Alexa: Super-Fibonacci spirals: fast, low-discrepancy sampling of SO(3), CVPR 2022.
    """
    s = np.arange(num) + 0.5
    inner, outer = np.sqrt(s / num), np.sqrt(1 - s / num)
    alpha, beta = 2 * np.pi * s / _PHI, 2 * np.pi * s / _PSI
    quat_xyzw = [
        inner * np.sin(alpha),
        inner * np.cos(alpha),
        outer * np.sin(beta),
        outer * np.cos(beta),
    ]
    return matrix_from_quat(np.stack(quat_xyzw, axis=1))


@cache
def even_directions(num: int) -> FloatArray:
    """Unit vectors that cover the sphere evenly (Fibonacci lattice), float64 [num, 3]."""
    z = 1 - (2 * np.arange(num) + 1) / num
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(num)
    flat = np.sqrt(1 - z * z)
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=1)


def turns_about(axis: FloatArray, angles_rad: FloatArray, *, through_m: FloatArray) -> FloatArray:
    """Turns about an axis through a point, float64 [N, 4, 4].

    Args:
        axis: float64 [3], unit.
        angles_rad: float64 [N].
        through_m: float64 [3].
    """
    half = np.asarray(angles_rad)[:, None] / 2
    rotation = matrix_from_quat(np.concatenate([np.sin(half) * axis, np.cos(half)], axis=1))
    turns = np.tile(np.eye(4), (len(rotation), 1, 1))
    turns[:, :3, :3] = rotation
    turns[:, :3, 3] = through_m - rotation @ through_m
    return turns


def angle_of(rotations: FloatArray) -> FloatArray:
    """Angle of rotations [..., 3, 3] in [0, pi]."""
    trace = np.einsum("...ii", rotations)
    angle: FloatArray = np.arccos(np.clip((trace - 1) / 2, -1, 1))
    return angle
