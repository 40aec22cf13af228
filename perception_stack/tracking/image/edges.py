"""Edges of boxes (left, top, right, bottom in pixels), and what detected ones tell of a box.

The four are measured, each for itself. An edge at the border of the image says only that the
thing reaches that far. How noisily things are seen differs between detectors by a factor of ten,
and one detector may see one thing clearly and another in part: there are several levels of noise,
and each track learns which are its own.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.config import Row
from perception_stack.tracking.image.detections import Instant
from perception_stack.tracking.image.tracks import LEVELS

Innovation = tuple[FloatArray, FloatArray, FloatArray]
"""Derivatives of the edges by the state [4, 7], differences [4], covariance expected [4, 4]."""

_AT_BORDER_PX = 2.0  # detectors round, and some count pixels from one
_CUT_NOISE = 0.3  # of an edge that was never seen, relative to the larger side


@machine_code
def write_edges(state: FloatArray, edges: FloatArray) -> None:
    """Write the edges of the box that a state stands for."""
    h = np.exp(state[2])
    w = h * np.exp(state[3])
    edges[0], edges[2] = state[0] - w / 2, state[0] + w / 2
    edges[1], edges[3] = state[1] - h / 2, state[1] + h / 2


@machine_code
def larger_side(edges: FloatArray) -> float:
    """The larger of width and height."""
    side_px: float = max(edges[2] - edges[0], edges[3] - edges[1])
    return side_px


@machine_code
def is_cut(edge: int, value_px: float, instant: Instant) -> bool:
    """Whether an edge lies at the border of the image, so that the thing may go on beyond."""
    if edge < 2:
        return value_px <= _AT_BORDER_PX
    size_px = instant.width_px if edge == 2 else instant.height_px
    return value_px >= size_px - _AT_BORDER_PX


@machine_code
def share_in_image(edges: FloatArray, instant: Instant) -> float:
    """Share of a box that lies inside of the image."""
    w = min(edges[2], instant.width_px) - max(edges[0], 0.0)
    h = min(edges[3], instant.height_px) - max(edges[1], 0.0)
    area = (edges[2] - edges[0]) * (edges[3] - edges[1])
    share: float = max(w, 0.0) * max(h, 0.0) / area
    return share


@machine_code
def write_clipped(edges: FloatArray, instant: Instant, clipped: FloatArray) -> None:
    """Write what of a box lies inside of the image."""
    for i in range(4):
        size_px = instant.width_px if i % 2 == 0 else instant.height_px
        clipped[i] = min(max(edges[i], 0.0), size_px)


@machine_code
def write_first(
    state: FloatArray, covariance: FloatArray, found: FloatArray, instant: Instant, p: Row
) -> None:
    """Write where a new thing is, by detected edges; it stands still for all one knows."""
    w, h = found[2] - found[0], found[3] - found[1]
    state[:] = 0.0
    state[0], state[1] = (found[0] + found[2]) / 2, (found[1] + found[3]) / 2
    state[2], state[3] = np.log(h), np.log(w / h)
    variance = np.empty(4)
    for edge in range(4):
        relative = p.edge_noise * p.noise_ratio
        if is_cut(edge, found[edge], instant):
            relative = _CUT_NOISE
        variance[edge] = (relative * larger_side(found)) ** 2
    covariance[:] = 0.0
    across, down = variance[0] + variance[2], variance[1] + variance[3]
    covariance[0, 0], covariance[1, 1] = across / 4, down / 4
    covariance[2, 2] = down / h**2
    covariance[3, 3] = across / w**2 + down / h**2
    covariance[2, 3] = covariance[3, 2] = -down / h**2
    covariance[0, 3] = covariance[3, 0] = (variance[2] - variance[0]) / (2 * w)
    covariance[1, 2] = covariance[2, 1] = (variance[3] - variance[1]) / (2 * h)
    covariance[1, 3] = covariance[3, 1] = -covariance[1, 2]
    covariance[4, 4] = covariance[5, 5] = p.speed**2
    covariance[6, 6] = p.approach**2


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
    p: Row,
    posterior: FloatArray,
) -> tuple[float, float]:
    """Log density of the edges over all levels of noise, and squared distance at the highest.

    Args:
        innovation: As written by :func:`write_innovation`.
        noise_px: Standard deviation of an edge at the lowest level.
        noise_probs: float64 [LEVELS], before the detection.
        p: Ratio of the levels.
        posterior: float64 [LEVELS], written: after the detection.
    """
    _, off, spread = innovation
    variance = noise_px * noise_px
    best, squared = -np.inf, 0.0
    for k in range(LEVELS):
        squared, log_volume = _distance(spread, variance, off)
        posterior[k] = np.log(noise_probs[k]) - 0.5 * (squared + log_volume)
        best = max(best, posterior[k])
        variance *= p.noise_ratio**2
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
def mean_variance_px2(noise_px: float, noise_probs: FloatArray, p: Row) -> float:
    """Variance whose information is the mean of that of all levels."""
    weight = 0.0
    for k in range(LEVELS):
        weight += noise_probs[k] * p.noise_ratio ** (-2 * k)
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
