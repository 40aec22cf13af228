"""The Kalman filter run backwards."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.kernels.motion import carry, transition
from perception_stack.tracking.kernels.turns import (
    cholesky,
    swap_sides,
    turn_by_quarters,
    turned_quat,
    write_turn_between,
)
from perception_stack.tracking.tracks import NUM_STATES, Row, TrackTable


@machine_code
def _smoothing_gain(
    covariance: FloatArray, expected: FloatArray, dt_s: float, memory_s: float, gain: FloatArray
) -> None:
    """Write ``P F' (F P F' + Q)^-1`` of one track, by triangular factors."""
    factor, step = expected.copy(), transition(dt_s, memory_s)
    cholesky(factor, NUM_STATES)
    for row in range(NUM_STATES):
        gain[row] = covariance[row]
        carry(gain[row], dt_s, step)
        for j in range(NUM_STATES):
            for k in range(j):
                gain[row, j] -= factor[j, k] * gain[row, k]
            gain[row, j] /= factor[j, j]
        for j in range(NUM_STATES - 1, -1, -1):
            for k in range(j + 1, NUM_STATES):
                gain[row, j] -= factor[k, j] * gain[row, k]
            gain[row, j] /= factor[j, j]


@machine_code
def move_back(
    here: TrackTable, expected: TrackTable, later: TrackTable, dt_s: float, p: Row
) -> None:
    """Correct tracks by hindsight, in place; see :func:`smoothing._corrected`.

    Args:
        here: As they were known; boxes are named as in ``later`` afterwards.
        expected: The same, predicted for the next frame.
        later: At the next frame, with hindsight.
        dt_s: Time step.
        p: Parameters.
    """
    gain, missed = np.empty((NUM_STATES, NUM_STATES)), np.empty(NUM_STATES)
    for n in range(len(here)):
        t, e, s = here[n], expected[n], later[n]
        _smoothing_gain(t.covariance, e.covariance, dt_s, p.acceleration_memory_s, gain)
        named, size, variance = s.quat_xyzw.copy(), s.size_lwh_m.copy(), s.size_variance_m2.copy()
        if turn_by_quarters(named, e.quat_xyzw) % 2 == 1:
            swap_sides(size)
            swap_sides(variance)
        write_turn_between(e.quat_xyzw, named, missed[3:6])
        for i in range(3):
            missed[i] = s.center_m[i] - e.center_m[i]
            missed[12 + i] = s.acceleration_mps2[i] - e.acceleration_mps2[i]
        for i in range(6):
            missed[6 + i] = s.twist[i] - e.twist[i]
        step = gain @ missed
        for i in range(3):
            t.center_m[i] += step[i]
            t.acceleration_mps2[i] += step[12 + i]
        a, b, c, d = turned_quat(t.quat_xyzw, step[3:6])
        t.quat_xyzw[0], t.quat_xyzw[1], t.quat_xyzw[2], t.quat_xyzw[3] = a, b, c, d
        for i in range(6):
            t.twist[i] += step[6 + i]
        t.covariance[:] += gain @ (s.covariance - e.covariance) @ gain.T
        for i in range(3):
            share = t.size_variance_m2[i] / e.size_variance_m2[i]
            t.size_lwh_m[i] += share * (size[i] - t.size_lwh_m[i])
            t.size_variance_m2[i] += share**2 * (variance[i] - e.size_variance_m2[i])
        if turn_by_quarters(t.quat_xyzw, s.quat_xyzw) % 2 == 1:
            swap_sides(t.size_lwh_m)
            swap_sides(t.size_variance_m2)
