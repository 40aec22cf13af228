"""The correction of pose, motion and size by a detection, one track at a time."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.config import Row
from perception_stack.tracking.space.precision import expected_scale2, mixture
from perception_stack.tracking.space.turns import (
    cholesky,
    swap_sides,
    turn_by_quarters,
    turned_quat,
    write_axes,
    write_turn_between,
)

_MOST_SURPRISE = 4.0  # squared distance from which on a size counts as an outlier


@machine_code
def _correct_state(
    c: FloatArray, noise: FloatArray, scale2: float, residual: FloatArray
) -> FloatArray:
    """Kalman update: shrinks the covariance, whitens the residual, gives the step [15]."""
    num = len(c)
    factor, whitened, step = np.empty((6, 6)), np.empty((6, num)), np.zeros(num)
    for i in range(6):
        for j in range(num):
            whitened[i, j] = c[i, j]
        for j in range(6):
            factor[i, j] = c[i, j] + scale2 * noise[i, j]
    cholesky(factor, 6)
    for i in range(6):
        for k in range(i):
            residual[i] -= factor[i, k] * residual[k]
            for j in range(num):
                whitened[i, j] -= factor[i, k] * whitened[k, j]
        residual[i] /= factor[i, i]
        for j in range(num):
            whitened[i, j] /= factor[i, i]
    for k in range(6):
        for i in range(num):
            step[i] += whitened[k, i] * residual[k]
            for j in range(num):
                c[i, j] -= whitened[k, i] * whitened[k, j]
    return step


@machine_code
def _correct_size(
    size: FloatArray, variance: FloatArray, measured: FloatArray, noise: FloatArray
) -> None:
    """Sides and their variance, hardly moved by a measurement that saw something else."""
    for i in range(3):
        difference = measured[i] - size[i]
        surprise = difference**2 / (variance[i] + noise[i]) / _MOST_SURPRISE
        gain = variance[i] / (variance[i] + noise[i] * max(surprise, 1.0))
        size[i] += gain * difference
        variance[i] *= 1.0 - gain


@machine_code
def _keep_seen_sides(
    place: FloatArray, axes: FloatArray, excess: FloatArray, origin_m: FloatArray
) -> None:
    """Move a measured centre for a size that is known better, such that what was seen stays.

    The sides turned to the sensor were measured, those turned away were guessed: what the box is
    too long by (``excess``) sticks out behind.
    """
    toward = np.empty(3)
    for i in range(3):
        toward[i] = origin_m[i] - place[i]
    distance = np.sqrt(np.sum(toward**2))
    for k in range(3):
        share = 0.0
        for i in range(3):
            share += axes[i, k] * toward[i] / distance
        for i in range(3):
            place[i] += 0.5 * share * excess[k] * axes[i, k]


@machine_code
def add_step(t: Row, step: FloatArray) -> None:
    """Add a small step [15] to the state of a track, in place.

    The rotation is estimated as a small turn about the fixed axes, which is what the covariance
    of a pose speaks of as well (multiplicative filter, Markley 2003).
    """
    for i in range(3):
        t.center_m[i] += step[i]
        t.acceleration_mps2[i] += step[12 + i]
    for i in range(6):
        t.twist[i] += step[6 + i]
    a, b, c, d = turned_quat(t.quat_xyzw, step[3:6])
    t.quat_xyzw[0], t.quat_xyzw[1], t.quat_xyzw[2], t.quat_xyzw[3] = a, b, c, d


@machine_code
def take_size(t: Row, f: Row, origin_m: FloatArray, p: Row) -> tuple[int, FloatArray, FloatArray]:
    """Correct the size of a track by a detection, in place, and see where that puts the detection.

    Args:
        t: Predicted track.
        f: The detection.
        origin_m: float64 [3], where the sensor was; NaN where nobody knows.
        p: Parameters.

    Returns:
        Quarter turns that bring the detection nearest to the track; its centre [3], for the size
        that is now believed in; its rotation [4] after these turns.
    """
    place, turned, sides = f.center_m.copy(), f.quat_xyzw.copy(), f.size_lwh_m.copy()
    side_noise = f.ends_noise_m2.copy()
    quarters = turn_by_quarters(turned, t.quat_xyzw)
    if quarters % 2 == 1:
        swap_sides(sides)
        swap_sides(side_noise)
    for i in range(3):
        side_noise[i] += (p.size_noise * t.size_lwh_m[i]) ** 2
    _correct_size(t.size_lwh_m, t.size_variance_m2, sides, side_noise)
    if not np.isnan(origin_m[0]):
        axes = np.empty((3, 3))
        write_axes(turned, axes)
        _keep_seen_sides(place, axes, sides - t.size_lwh_m, origin_m)
    return quarters, place, turned


@machine_code
def correct(t: Row, f: Row, origin_m: FloatArray, p: Row) -> tuple[int, float]:
    """Correct a track by a detection, in place.

    A detection that is likely to be imprecise counts as one. Arguments as above.

    Returns:
        Quarter turns that brought the detection nearest to the track; log density of its pose.
    """
    quarters, place, turned = take_size(t, f, origin_m, p)
    residual = np.empty(6)
    for i in range(3):
        residual[i] = place[i] - t.center_m[i]
    write_turn_between(t.quat_xyzw, turned, residual[3:])
    log_density, _ = mixture(t.covariance, f.noise, residual, t.level_probs, p)
    scale2 = expected_scale2(t.level_probs, p)
    add_step(t, _correct_state(t.covariance, f.noise, scale2, residual))
    return quarters, log_density
