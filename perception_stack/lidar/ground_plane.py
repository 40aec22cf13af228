"""The mean plane of the ground near the sensor, by RANSAC over the columns' lowest points."""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled

_NUM_HYPOTHESES = 200
_PLANE_RANGE_M = 30.0
_PLANE_SAMPLE = 1000
_PLANE_TOLERANCE_M = 0.15
_STEEPEST = 0.36  # tan 20°


def ground_plane(xy_m: FloatArray, lowest_m: FloatArray) -> FloatArray:
    """The plane that most of the lowest points near the sensor lie on and few lie below.

    Args:
        xy_m: float64 [K, 2], K at least 1.
        lowest_m: float64 [K].

    Returns:
        (a, b, c) of z = a x + b y + c.
    """
    near = np.flatnonzero(xy_m[:, 0] ** 2 + xy_m[:, 1] ** 2 < _PLANE_RANGE_M**2)
    if len(near) < 3:
        return np.array([0.0, 0.0, float(np.median(lowest_m))])
    near = near[:: max(1, len(near) // _PLANE_SAMPLE)]
    # a generator of its own with a fixed seed: the same cloud gives the same plane
    triples = np.random.default_rng(0).integers(len(near), size=(_NUM_HYPOTHESES, 3))
    best = np.array([0.0, 0.0, np.median(lowest_m[near])])
    args = (xy_m[near], lowest_m[near], _PLANE_TOLERANCE_M)
    plane: FloatArray = _refine(*args, _find_plane(*args, triples, _STEEPEST, best))
    return plane


@compiled
def _find_plane(
    xy_m: Any, z_m: Any, tolerance_m: float, triples: Any, steepest: float, plane: Any
) -> Any:
    """The best of the planes through three points, and of the given one."""
    # below all scores; in 32 bits, as the comparisons are, so that more are counted at a time
    most = np.int32(-2 * len(z_m) - 1)
    # side by side in single precision, so that several are compared at a time
    xs, ys, zs = np.empty((3, len(z_m)), dtype=np.float32)
    xs[:], ys[:], zs[:] = xy_m[:, 0], xy_m[:, 1], z_m
    high, low = np.float32(tolerance_m), np.float32(-2 * tolerance_m)
    for h in range(len(triples)):
        i, j, k = triples[h]
        x1, y1, z1 = xy_m[j, 0] - xy_m[i, 0], xy_m[j, 1] - xy_m[i, 1], z_m[j] - z_m[i]
        x2, y2, z2 = xy_m[k, 0] - xy_m[i, 0], xy_m[k, 1] - xy_m[i, 1], z_m[k] - z_m[i]
        det = x1 * y2 - x2 * y1
        if abs(det) < 1.0:  # a thin triangle says nothing of the slope across it
            continue
        a, b = (z1 * y2 - z2 * y1) / det, (x1 * z2 - x2 * z1) / det
        if a * a + b * b > steepest * steepest:
            continue
        c = z_m[i] - a * xy_m[i, 0] - b * xy_m[i, 1]
        a32, b32, c32 = np.float32(a), np.float32(b), np.float32(c)
        score = np.int32(0)
        for n in range(len(zs)):
            above = zs[n] - a32 * xs[n] - b32 * ys[n] - c32
            score = np.int32(score + np.int32(above < high) - np.int32(2) * np.int32(above < low))
        if score > most:
            most = score
            plane = np.array([a, b, c])
    return plane


@compiled
def _refine(xy_m: Any, z_m: Any, tolerance_m: float, plane: Any) -> Any:
    """Least squares over the points near the plane, three times."""
    a, b, c = plane
    for _ in range(3):
        # a weak belief in a level ground decides where the points do not
        xx, xy, yy, x1, y1, ones = 1.0, 0.0, 1.0, 0.0, 0.0, 1e-6
        xz, yz, z1 = 0.0, 0.0, 1e-6 * c
        for n in range(len(z_m)):
            x, y, z = xy_m[n, 0], xy_m[n, 1], z_m[n]
            if abs(z - a * x - b * y - c) < tolerance_m:
                xx, xy, yy = xx + x * x, xy + x * y, yy + y * y
                x1, y1, ones = x1 + x, y1 + y, ones + 1
                xz, yz, z1 = xz + x * z, yz + y * z, z1 + z
        # c by itself, then the two slopes
        xx, xy, yy = xx - x1 * x1 / ones, xy - x1 * y1 / ones, yy - y1 * y1 / ones
        xz, yz = xz - x1 * z1 / ones, yz - y1 * z1 / ones
        det = xx * yy - xy * xy
        a, b = (xz * yy - yz * xy) / det, (yz * xx - xz * xy) / det
        c = (z1 - a * x1 - b * y1) / ones
    return np.array([a, b, c])
