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
    for i in range(4):
        for j in range(4):
            total = 0.0
            for k in range(4):
                for m in range(4):
                    total += rows[i, k] * covariance[k, m] * rows[j, m]
            spread[i, j] = total


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
def _distance(spread: FloatArray, variance: float, off: FloatArray) -> tuple[float, float]:
    """Squared Mahalanobis distance, and the log determinant behind it."""
    factor, left = np.empty((4, 4)), np.empty(4)
    squared, log_volume = 0.0, 0.0
    for i in range(4):
        for j in range(i + 1):
            total = spread[i, j] + (variance if i == j else 0.0)
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            factor[i, j] = np.sqrt(total) if i == j else total / factor[j, j]
        total = off[i]
        for k in range(i):
            total -= factor[i, k] * left[k]
        left[i] = total / factor[i, i]
        squared += left[i] ** 2
        log_volume += 2 * np.log(factor[i, i])
    return squared, log_volume


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
