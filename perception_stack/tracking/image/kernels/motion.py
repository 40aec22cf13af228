"""Where a box in the image is by now, of a thing that moves straight on in space.

A point of constant velocity, seen by a camera, moves as ``u' = u + g q h dt`` with ``g = 1 / (1 -
r dt)``: ``h`` is the height of the box, ``q`` the speed in heights per second and ``r`` the rate
of growth, both at the start of the step. Height and ``q`` grow by ``g``, and so does ``r``. That
follows from ``u = f X / Z`` and ``h = f H / Z`` and needs neither the focal length nor the depth:
a car that comes nearer speeds up across the image with no force at work.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.image.kernels.state import Model

_MOST_GROWTH = 0.5  # rate times step that is believed: nothing passes through the lens


@machine_code
def predict(state: FloatArray, covariance: FloatArray, dt_s: float, model: Model) -> None:
    """Carry one track on by a time step, in place (extended Kalman filter).

    The noise is that of white acceleration in continuous time (Bar-Shalom, Li, Kirubarajan, 2001,
    eq. 6.2.2-4), greater for what is faster.
    """
    step = min(max(state[6] * dt_s, -_MOST_GROWTH), _MOST_GROWTH)
    g, h = 1.0 / (1.0 - step), np.exp(state[2])
    f = np.eye(7)
    for i in range(2):
        f[i, 2] = h * g * state[4 + i] * dt_s
        f[i, 4 + i] = h * g * dt_s
        f[i, 6] = h * g * g * state[4 + i] * dt_s**2
        f[4 + i, 4 + i] = g
        f[4 + i, 6] = g * g * state[4 + i] * dt_s
    f[2, 6] = g * dt_s
    f[6, 6] = g * g
    for i in range(2):
        state[i] += f[i, 2]
    state[2] += np.log(g)
    state[4:] *= g
    _turn(covariance, f)
    _add_noise(state, covariance, dt_s, model)


@machine_code
def _turn(p: FloatArray, f: FloatArray) -> None:
    """P becomes F P F'."""
    half = np.zeros((7, 7))
    for i in range(7):
        for j in range(7):
            if f[i, j] != 0.0:
                for k in range(7):
                    half[i, k] += f[i, j] * p[j, k]
    for i in range(7):
        for k in range(i + 1):
            total = 0.0
            for j in range(7):
                total += half[i, j] * f[k, j]
            p[i, k] = total
            p[k, i] = total


@machine_code
def _add_noise(state: FloatArray, p: FloatArray, dt_s: float, model: Model) -> None:
    h = np.exp(state[2])
    speed = np.sqrt(state[4] ** 2 + state[5] ** 2)
    change = (model.acceleration + model.acceleration_per_speed * speed) ** 2
    growth = (model.approach_change + model.acceleration_per_speed * abs(state[6])) ** 2
    for i, rate, scale, density in (
        (0, 4, h, change),
        (1, 5, h, change),
        (2, 6, 1.0, growth),
    ):
        p[i, i] += scale * scale * density * dt_s**3 / 3
        p[i, rate] += scale * density * dt_s**2 / 2
        p[rate, i] += scale * density * dt_s**2 / 2
        p[rate, rate] += density * dt_s
    p[3, 3] += model.shape_change**2 * dt_s
