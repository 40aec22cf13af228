"""Where the tracks are by now: accelerations that last a while, twists that change a little.

Along each axis acceleration is a first-order Gauss-Markov process (Singer 1970; Bar-Shalom, Li,
Kirubarajan 2001, section 6.2.3), the exact solution of it over the time step, so that two short
steps add up to one long one and the frame rate does not matter. Turn rate is driven by white
noise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.assignment import IntArray
from perception_stack.tracking.common.config import Parameters, Row
from perception_stack.tracking.space.precision import forget
from perception_stack.tracking.space.tracks import NUM_STATES, Tracks, TrackTable, copied
from perception_stack.tracking.space.turns import turned_quat, write_upright

# of Gauss and Legendre on 0 to 1; exact to rounding for steps of several memories
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_NODES, _WEIGHTS = 0.5 * (_NODES + 1), 0.5 * _WEIGHTS

_FIRST = np.array([0, 6, 12])  # of the place, the speed and the acceleration in the state


def predict(tracks: Tracks, dt_s: float, parameters: Parameters) -> Tracks:
    """Tracks carried on by a time step; who is still there is not its question.

    The error of the rotation is not turned along with the box: over one step the difference is
    of second order.

    Args:
        tracks: Where they were.
        dt_s: Time step in seconds, not negative.
        parameters: Noise.
    """
    table, _ = moved(tracks.table, dt_s, parameters)
    return replace(tracks, table=table)


def carry_on(tracks: Tracks, dt_s: float, parameters: Parameters) -> Tracks:
    """As :func:`predict`, without what could be anywhere by now.

    Any detection would seem to be that of a track whose place is less certain than ``lost_spread``
    sizes.
    """
    table, kept = moved(tracks.table, dt_s, parameters)
    return tracks.learned(table, tracks.class_probs, tracks.sensors, kept)


@machine_code
def moved(table: TrackTable, dt_s: float, parameters: Parameters) -> tuple[TrackTable, IntArray]:
    """Another table, carried on; those of its rows that could not be anywhere by now."""
    after = copied(table)
    kept = move(after, dt_s, parameters[0])
    return after, kept


@machine_code
def transition(dt_s: float, memory_s: float) -> tuple[float, float, float]:
    """What an acceleration of 1 does to place and speed in a time step, and what is left of it."""
    x = dt_s / memory_s
    left = np.exp(-x)
    if x < 0.01:
        # the differences below would be rounding
        place = 0.5 - x / 6 + x**2 / 24 - x**3 / 120
        return dt_s**2 * place, dt_s * (1 - x * place), left
    return memory_s**2 * (x - 1 + left), memory_s * (1 - left), left


@machine_code
def _spread_of_unit(dt_s: float, memory_s: float, spread: FloatArray) -> None:
    """Write the covariance [3, 3] of place, speed, acceleration that a step adds.

    For accelerations of unit variance.
    """
    spread[:] = 0.0
    for k in range(len(_NODES)):
        place, speed, left = transition(_NODES[k] * dt_s, memory_s)
        weight = 2 * _WEIGHTS[k] * dt_s / memory_s
        spread[0, 0] += weight * place * place
        spread[0, 1] += weight * place * speed
        spread[0, 2] += weight * place * left
        spread[1, 1] += weight * speed * speed
        spread[1, 2] += weight * speed * left
    spread[2, 2] = -np.expm1(-2 * dt_s / memory_s)
    spread[1, 0], spread[2, 0], spread[2, 1] = spread[0, 1], spread[0, 2], spread[1, 2]


@machine_code
def carry(vector: FloatArray, dt_s: float, step: tuple[float, float, float]) -> None:
    """Take an error of the state [15] a time step on, in place."""
    place, speed, left = step
    for i in range(6):
        vector[i] += dt_s * vector[6 + i]
    for i in range(3):
        vector[i] += place * vector[12 + i]
        vector[6 + i] += speed * vector[12 + i]
        vector[12 + i] *= left


@machine_code
def acceleration_mps2(t: Row, p: Row) -> float:
    """Standard deviation of the accelerations of a track."""
    speed2, scale2 = 0.0, 0.0
    for i in range(3):
        speed2 += t.twist[i] ** 2
        scale2 += t.size_lwh_m[i] ** 2
    return float(
        p.acceleration_per_size * np.sqrt(scale2) + p.acceleration_per_speed * np.sqrt(speed2)
    )


@machine_code
def move(table: TrackTable, dt_s: float, p: Row) -> IntArray:
    """Carry tracks on by a time step, in place.

    Returns:
        Rows of those that could not be anywhere by now.
    """
    upright, unit = np.empty((3, 3)), np.empty((3, 3))
    step = transition(dt_s, p.acceleration_memory_s)
    _spread_of_unit(dt_s, p.acceleration_memory_s, unit)
    turn2 = p.turn_acceleration_radps**2
    kept, num_kept = np.empty(len(table), dtype=np.intp), 0
    for n in range(len(table)):
        t = table[n]
        forget(t.level_probs, dt_s, p)
        variance = acceleration_mps2(t, p) ** 2
        write_upright(t.quat_xyzw, p.vertical_share, upright)
        for i in range(3):
            a = t.acceleration_mps2[i]
            t.center_m[i] += dt_s * t.twist[i] + step[0] * a
            t.twist[i] += step[1] * a
            t.acceleration_mps2[i] = step[2] * a
            t.size_variance_m2[i] += (p.size_change * t.size_lwh_m[i]) ** 2 * dt_s
        x, y, z, w = turned_quat(t.quat_xyzw, dt_s * t.twist[3:])
        t.quat_xyzw[0], t.quat_xyzw[1], t.quat_xyzw[2], t.quat_xyzw[3] = x, y, z, w
        c = t.covariance
        for row in range(NUM_STATES):
            carry(c[row], dt_s, step)
        for column in range(NUM_STATES):
            carry(c[:, column], dt_s, step)
        for i in range(3):
            for a in range(3):
                for j in range(3):
                    for b in range(3):
                        c[_FIRST[a] + i, _FIRST[b] + j] += variance * upright[i, j] * unit[a, b]
            c[3 + i, 3 + i] += turn2 * dt_s**3 / 3
            c[3 + i, 9 + i] += turn2 * dt_s**2 / 2
            c[9 + i, 3 + i] += turn2 * dt_s**2 / 2
            c[9 + i, 9 + i] += turn2 * dt_s
        spread_m2 = (c[0, 0] + c[1, 1] + c[2, 2]) / 3
        if not spread_m2 > p.lost_spread**2 * np.sum(t.size_lwh_m**2):
            kept[num_kept] = n
            num_kept += 1
    return kept[:num_kept]
