"""Where a box in the image is by now: things move straight on, cameras are turned.

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
from perception_stack.tracking.common.assignment import Pairs
from perception_stack.tracking.common.config import Row
from perception_stack.tracking.image.detections import Found
from perception_stack.tracking.image.tracks import Tracks

_LEAST_PAIRS = 3  # of two that disagree nobody knows which one moved
_MOST_GROWTH = 0.5  # rate times step that is believed: nothing passes through the lens


@machine_code
def predict(state: FloatArray, covariance: FloatArray, dt_s: float, p: Row) -> None:
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
    _add_noise(state, covariance, dt_s, p)


@machine_code
def _turn(covariance: FloatArray, f: FloatArray) -> None:
    """P becomes F P F'."""
    half = np.zeros((7, 7))
    for i in range(7):
        for j in range(7):
            if f[i, j] != 0.0:
                for k in range(7):
                    half[i, k] += f[i, j] * covariance[j, k]
    for i in range(7):
        for k in range(i + 1):
            total = 0.0
            for j in range(7):
                total += half[i, j] * f[k, j]
            covariance[i, k] = total
            covariance[k, i] = total


@machine_code
def _add_noise(state: FloatArray, covariance: FloatArray, dt_s: float, p: Row) -> None:
    h = np.exp(state[2])
    speed = np.sqrt(state[4] ** 2 + state[5] ** 2)
    change = (p.acceleration + p.acceleration_per_speed * speed) ** 2
    growth = (p.approach_change + p.acceleration_per_speed * abs(state[6])) ** 2
    for i, rate, scale, density in (
        (0, 4, h, change),
        (1, 5, h, change),
        (2, 6, 1.0, growth),
    ):
        covariance[i, i] += scale * scale * density * dt_s**3 / 3
        covariance[i, rate] += scale * density * dt_s**2 / 2
        covariance[rate, i] += scale * density * dt_s**2 / 2
        covariance[rate, rate] += density * dt_s
    covariance[3, 3] += p.shape_change**2 * dt_s


@machine_code
def follow_camera(tracks: Tracks, num: int, found: Found, pairs: Pairs) -> bool:
    """Move all tracks by what their cheapest detections agree on; whether they were moved.

    A camera that was turned or shaken moves everything in the image alike. It is the median of the
    differences, weighted by their certainty and drawn to zero while few speak: a single car that
    brakes does not turn the camera. Where most tracks have no detection that is better than
    something new, the others in their gates are asked as well.
    """
    first, columns, costs = pairs
    best, num_any, num_good = np.full(num, -1, dtype=np.int64), 0, 0
    for n in range(num):
        if first[n] < first[n + 1]:
            best[n] = first[n] + np.argmin(costs[first[n] : first[n + 1]])
            num_any += 1
            num_good += 1 if costs[best[n]] < 0 else 0
    most = 0.0 if 2 * num_good >= num_any else np.inf
    off_px, weight = np.empty((2, num)), np.empty(num)
    count = 0
    for n in range(num):
        if best[n] < 0 or costs[best[n]] >= most:
            continue
        box = found.xyxy_px[columns[best[n]]]
        off_px[0, count] = (box[0] + box[2]) / 2 - tracks.state[n, 0]
        off_px[1, count] = (box[1] + box[3]) / 2 - tracks.state[n, 1]
        weight[count] = 1 / np.sqrt(tracks.covariance[n, 0, 0] + tracks.covariance[n, 1, 1])
        count += 1
    if count < _LEAST_PAIRS:
        return False
    for i in range(2):
        move_px = (1 - 2 / count) * _median(off_px[i, :count], weight[:count])
        for n in range(num):
            tracks.state[n, i] += move_px
    return True


@machine_code
def _median(values: FloatArray, weight: FloatArray) -> float:
    """Least value up to which lies half of the weight."""
    left = 0.5 * weight.sum()
    k = 0
    for k in np.argsort(values, kind="mergesort"):
        left -= weight[k]
        if left <= 0:
            break
    middle: float = values[k]
    return middle
