"""The Kalman filter of pose, twist and size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.kernels.turns import (
    cholesky,
    swap_sides,
    turn_by_quarters,
    turned_quat,
    write_axes,
    write_turn_between,
)
from perception_stack.tracking.measurements import MeasuredState
from perception_stack.tracking.tracks import FilterState

_MOST_SURPRISE = 4.0  # squared distance from which on a size counts as an outlier


@machine_code
def predicted(
    state: FilterState,
    dt_s: float,
    acceleration_mps2: FloatArray,
    turn: float,
    size_change: float,
) -> FilterState:
    """State of each track after a time step; see :func:`motion.predict`.

    Args:
        state: Where the tracks were.
        dt_s: Time step.
        acceleration_mps2: float64 [N], change of speed in one second.
        turn: Change of turn rate in one second.
        size_change: Change of a side in one second, relative to it.
    """
    center, quat, twist, covariance, size, size_variance = state
    num = len(center)
    center, quat, covariance = center.copy(), quat.copy(), covariance.copy()
    size_variance = size_variance.copy()
    for n in range(num):
        for i in range(3):
            center[n, i] += dt_s * twist[n, i]
            size_variance[n, i] += (size_change * size[n, i]) ** 2 * dt_s
        quat[n, 0], quat[n, 1], quat[n, 2], quat[n, 3] = turned_quat(quat[n], dt_s * twist[n, 3:])
        p = covariance[n]
        for i in range(6):
            for j in range(6):
                p[i, j] += dt_s * (p[i, j + 6] + p[i + 6, j] + dt_s * p[i + 6, j + 6])
        for i in range(6):
            for j in range(6):
                p[i, j + 6] += dt_s * p[i + 6, j + 6]
        for i in range(6):
            density = (acceleration_mps2[n] if i < 3 else turn) ** 2
            p[i, i] += density * dt_s**3 / 3
            p[i, i + 6] += density * dt_s**2 / 2
            p[i + 6, i + 6] += density * dt_s
        for i in range(6):
            for j in range(6):
                p[j + 6, i] = p[i, j + 6]
    return center, quat, twist, covariance, size, size_variance


@machine_code
def _correct_state(covariance: FloatArray, noise: FloatArray, residual: FloatArray) -> FloatArray:
    """Kalman update: shrinks the covariance, whitens the residual, gives the step [12]."""
    p = covariance
    num = len(p)
    factor, whitened, step = np.empty((6, 6)), np.empty((6, num)), np.zeros(num)
    for i in range(6):
        for j in range(num):
            whitened[i, j] = p[i, j]
        for j in range(6):
            factor[i, j] = p[i, j] + noise[i, j]
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
                p[i, j] -= whitened[k, i] * whitened[k, j]
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
def updated(
    state: FilterState, measured: MeasuredState, size_noise: float, origin_m: FloatArray
) -> tuple[FilterState, NDArray[np.intp], FloatArray]:
    """State of each track after one measurement; see :func:`filter.updated`.

    Args:
        state: Predicted.
        measured: Centre [N, 3], rotation [N, 4], pose noise [N, 6, 6], size [N, 3], variance of
            each side for ends that were not seen [N, 3].
        size_noise: Noise of a side, relative to it.
        origin_m: float64 [3], where the sensor was; NaN where nobody knows.

    Returns:
        The state; quarter turns that brought each measurement nearest to the track, int [N]; the
        squared Mahalanobis distance of its pose, float64 [N].
    """
    center, quat, twist, covariance, size, size_variance = state
    found_m, found_quat, noise, found_size, ends_noise = measured
    num = len(center)
    center, quat, twist, covariance = center.copy(), quat.copy(), twist.copy(), covariance.copy()
    size, size_variance = size.copy(), size_variance.copy()
    squared, quarters = np.empty(num), np.empty(num, dtype=np.intp)
    residual, axes = np.empty(6), np.empty((3, 3))
    for n in range(num):
        place, turned, sides = found_m[n].copy(), found_quat[n].copy(), found_size[n].copy()
        side_noise = ends_noise[n].copy()
        quarters[n] = turn_by_quarters(turned, quat[n])
        if quarters[n] % 2 == 1:
            swap_sides(sides)
            swap_sides(side_noise)
        for i in range(3):
            side_noise[i] += (size_noise * size[n, i]) ** 2
        _correct_size(size[n], size_variance[n], sides, side_noise)
        if not np.isnan(origin_m[0]):
            write_axes(turned, axes)
            _keep_seen_sides(place, axes, sides - size[n], origin_m)
        for i in range(3):
            residual[i] = place[i] - center[n, i]
        write_turn_between(quat[n], turned, residual[3:])
        step = _correct_state(covariance[n], noise[n], residual)
        squared[n] = np.sum(residual**2)
        for i in range(3):
            center[n, i] += step[i]
        quat[n, 0], quat[n, 1], quat[n, 2], quat[n, 3] = turned_quat(quat[n], step[3:6])
        for i in range(6):
            twist[n, i] += step[6 + i]
    return (center, quat, twist, covariance, size, size_variance), quarters, squared
