"""What detected edges tell of a box: the four are measured, each for itself.

An edge at the border of the image says only that the thing reaches that far. How noisily things
are seen differs between detectors by a factor of ten, and one detector may see one thing clearly
and another in part: there are several levels of noise, and each track learns which are its own.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.image.kernels.boxes import is_cut, write_edges
from perception_stack.tracking.image.kernels.state import LEVELS, Instant, Model

Innovation = tuple[FloatArray, FloatArray, FloatArray]
"""Derivatives of the edges by the state [4, 7], differences [4], covariance expected [4, 4]."""


@machine_code
def write_innovation(
    state: FloatArray,
    covariance: FloatArray,
    found: FloatArray,
    instant: Instant,
    innovation: Innovation,
) -> None:
    """Write how detected edges differ from the expected ones, and how that comes from the state.

    Rows of edges that tell nothing are zero.
    """
    rows, off, spread = innovation
    expected = np.empty(4)
    write_edges(state, expected)
    rows[:] = 0.0
    for edge in range(4):
        along = edge % 2
        half = (expected[2 + along] - expected[along]) / (2.0 if edge > 1 else -2.0)
        off[edge] = found[edge] - expected[edge]
        if is_cut(edge, found[edge], instant) and off[edge] * half < 0:
            off[edge] = 0.0
            continue
        rows[edge, along] = 1.0
        rows[edge, 2] = half
        rows[edge, 3] = half if along == 0 else 0.0
    for j in range(4):
        for k in range(4):
            expected[k] = 0.0
            for m in range(4):
                expected[k] += covariance[k, m] * rows[j, m]
        for i in range(4):
            spread[i, j] = 0.0
            for k in range(4):
                spread[i, j] += rows[i, k] * expected[k]


@machine_code
def log_likelihood(
    innovation: Innovation,
    noise_px: float,
    noise_probs: FloatArray,
    model: Model,
    posterior: FloatArray,
) -> tuple[float, float]:
    """Log density of the edges over all levels of noise, and squared distance at the highest.

    Args:
        innovation: As written by :func:`write_innovation`.
        noise_px: Standard deviation of an edge at the lowest level.
        noise_probs: float64 [LEVELS], before the detection.
        model: Ratio of the levels.
        posterior: float64 [LEVELS], written: after the detection.
    """
    _, off, spread = innovation
    variance = noise_px * noise_px
    best, squared = -np.inf, 0.0
    for k in range(LEVELS):
        squared, log_volume = _distance(spread, variance, off)
        posterior[k] = np.log(noise_probs[k]) - 0.5 * (squared + log_volume)
        best = max(best, posterior[k])
        variance *= model.noise_ratio**2
    total = 0.0
    for k in range(LEVELS):
        posterior[k] = np.exp(posterior[k] - best)
        total += posterior[k]
    for k in range(LEVELS):
        posterior[k] /= total
    return best + np.log(total), squared


@machine_code
def _distance(s: FloatArray, variance: float, off: FloatArray) -> tuple[float, float]:
    """Squared Mahalanobis distance, and the log determinant behind it.

    By elimination, written out: this is the innermost loop, and small arrays take long to make.
    """
    d0 = s[0, 0] + variance
    a1, a2, a3 = s[1, 0] / d0, s[2, 0] / d0, s[3, 0] / d0
    d1 = s[1, 1] + variance - a1 * s[1, 0]
    b2, b3 = (s[2, 1] - a2 * s[1, 0]) / d1, (s[3, 1] - a3 * s[1, 0]) / d1
    d2 = s[2, 2] + variance - a2 * s[2, 0] - b2 * b2 * d1
    c3 = (s[3, 2] - a3 * s[2, 0] - b3 * b2 * d1) / d2
    d3 = s[3, 3] + variance - a3 * s[3, 0] - b3 * b3 * d1 - c3 * c3 * d2
    y1 = off[1] - a1 * off[0]
    y2 = off[2] - a2 * off[0] - b2 * y1
    y3 = off[3] - a3 * off[0] - b3 * y1 - c3 * y2
    squared = off[0] * off[0] / d0 + y1 * y1 / d1 + y2 * y2 / d2 + y3 * y3 / d3
    return squared, np.log(d0) + np.log(d1) + np.log(d2) + np.log(d3)


@machine_code
def mean_variance_px2(noise_px: float, noise_probs: FloatArray, model: Model) -> float:
    """Variance whose information is the mean of that of all levels."""
    weight = 0.0
    for k in range(LEVELS):
        weight += noise_probs[k] * model.noise_ratio ** (-2 * k)
    return noise_px * noise_px / weight


@machine_code
def correct(
    state: FloatArray, covariance: FloatArray, innovation: Innovation, variance_px2: float
) -> None:
    """Kalman update of one track, edge by edge, in place."""
    rows, off, _ = innovation
    gain, step = np.empty(7), np.zeros(7)
    for edge in range(4):
        total, left = variance_px2, off[edge]
        for i in range(7):
            gain[i] = 0.0
            for k in range(4):
                gain[i] += covariance[i, k] * rows[edge, k]
        for k in range(4):
            total += rows[edge, k] * gain[k]
            left -= rows[edge, k] * step[k]
        for i in range(7):
            step[i] += gain[i] * left / total
            for j in range(i + 1):
                covariance[i, j] -= gain[i] * gain[j] / total
                covariance[j, i] = covariance[i, j]
    for i in range(7):
        state[i] += step[i]
