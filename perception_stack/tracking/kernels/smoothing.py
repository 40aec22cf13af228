"""The Kalman filter run backwards."""

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
    write_turn_between,
)
from perception_stack.tracking.tracks import FilterState


@machine_code
def _smoothing_gain(
    covariance: FloatArray, expected: FloatArray, dt_s: float, gain: FloatArray
) -> None:
    """Write ``P F' (F P F' + Q)^-1`` of one track, by triangular factors."""
    factor = expected.copy()
    cholesky(factor, 12)
    for row in range(12):
        # P F': the pose moves with the twist
        for j in range(12):
            gain[row, j] = covariance[row, j]
            if j < 6:
                gain[row, j] += dt_s * covariance[row, j + 6]
        for j in range(12):
            for k in range(j):
                gain[row, j] -= factor[j, k] * gain[row, k]
            gain[row, j] /= factor[j, j]
        for j in range(11, -1, -1):
            for k in range(j + 1, 12):
                gain[row, j] -= factor[k, j] * gain[row, k]
            gain[row, j] /= factor[j, j]


@machine_code
def moved_back(
    here: FilterState, expected: FilterState, later: FilterState, dt_s: float
) -> tuple[FilterState, NDArray[np.intp]]:
    """State of each track with hindsight; see :func:`smoothing._corrected`.

    Args:
        here: As it was known.
        expected: The same, predicted for the next frame.
        later: At the next frame, with hindsight.
        dt_s: Time step.

    Returns:
        The state, its rotation named as in ``later``; and the quarter turns it took to name it
        so, int [N], which the sizes have not followed yet.
    """
    center, quat, twist, covariance, size, size_variance = here
    num = len(center)
    center, quat, twist, covariance = center.copy(), quat.copy(), twist.copy(), covariance.copy()
    size, size_variance = size.copy(), size_variance.copy()
    quarters, gain, missed = np.empty(num, dtype=np.intp), np.empty((12, 12)), np.empty(12)
    for n in range(num):
        _smoothing_gain(covariance[n], expected[3][n], dt_s, gain)
        named = later[1][n].copy()
        turned_back = turn_by_quarters(named, expected[1][n])
        write_turn_between(expected[1][n], named, missed[3:6])
        for i in range(3):
            missed[i] = later[0][n, i] - expected[0][n, i]
        for i in range(6):
            missed[6 + i] = later[2][n, i] - expected[2][n, i]
        step = gain @ missed
        for i in range(3):
            center[n, i] += step[i]
        quat[n, 0], quat[n, 1], quat[n, 2], quat[n, 3] = turned_quat(quat[n], step[3:6])
        for i in range(6):
            twist[n, i] += step[6 + i]
        covariance[n] += gain @ (later[3][n] - expected[3][n]) @ gain.T
        later_size, later_variance = later[4][n].copy(), later[5][n].copy()
        if turned_back % 2 == 1:
            swap_sides(later_size)
            swap_sides(later_variance)
        for i in range(3):
            share = size_variance[n, i] / expected[5][n, i]
            size[n, i] += share * (later_size[i] - size[n, i])
            size_variance[n, i] += share**2 * (later_variance[i] - expected[5][n, i])
        quarters[n] = turn_by_quarters(quat[n], later[1][n])
    return (center, quat, twist, covariance, size, size_variance), quarters
