"""Which detection belongs to which track."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.tracking.classification import compatibility
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.filter import size_noise_m2
from perception_stack.tracking.measurements import Measurements
from perception_stack.tracking.tracks import PLACE, Tracks

IntArray = NDArray[np.intp]

_MOST_SIDES = 10.0  # squared distance of sides beyond which they say no more


def associate(
    tracks: Tracks,
    track_likelihood: FloatArray,
    measurements: Measurements,
    config: TrackerConfig,
) -> tuple[IntArray, IntArray]:
    """Best assignment of detections to tracks: strong ones first, weak ones to who is left.

    Within a stage the sum of the costs is least among all assignments (Jonker, Volgenant 1987).
    A weak detection thus never takes a track from a strong one (ByteTrack, Zhang et al. 2022).

    Args:
        tracks: N predicted tracks.
        track_likelihood: float64 [N, V], of their classes.
        measurements: M detections.
        config: Gate and weights.

    Returns:
        track index and detection index, int [K] each, one entry per pair.
    """
    rows, columns, cost = pair_costs(tracks, track_likelihood, measurements, config)
    strong = measurements.score[columns] >= config.strong_score
    first = assign(rows[strong], columns[strong], cost[strong])
    left = ~strong & ~np.isin(rows, first[0])
    second = assign(rows[left], columns[left], cost[left])
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def pair_costs(
    tracks: Tracks,
    track_likelihood: FloatArray,
    measurements: Measurements,
    config: TrackerConfig,
) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs within the gate and what each costs.

    The cost is minus twice the log likelihood of the detection, given the track: normal in place
    and sides, the latter with a bound, since of a thing partly hidden any part may show; and how
    well the classes agree.

    Returns:
        track index int [K], detection index int [K], cost float64 [K], negative: the less the
        better.
    """
    from scipy.special import gammaincinv

    gate = 2 * gammaincinv(1.5, config.gate_probability)  # chi-square, 3 degrees of freedom
    spread_m2 = np.trace(tracks.covariance[:, PLACE, PLACE], axis1=1, axis2=2)
    noise_m2 = np.trace(measurements.noise[:, PLACE, PLACE], axis1=1, axis2=2)
    # no direction is wider than the trace: who is farther cannot be inside the gate
    offset_m = measurements.center_m[None] - tracks.center_m[:, None]
    distance_m2 = np.sum(offset_m**2, axis=2)
    rows, columns = np.nonzero(distance_m2 <= gate * (spread_m2[:, None] + noise_m2[None]))

    offset_m = offset_m[rows, columns]
    total = tracks.covariance[rows, PLACE, PLACE] + measurements.noise[columns, PLACE, PLACE]
    squared = np.sum(offset_m * np.linalg.solve(total, offset_m[..., None])[..., 0], axis=1)
    inside = squared <= gate
    rows, columns, squared, total = rows[inside], columns[inside], squared[inside], total[inside]

    sides = _squared_side_distance(tracks, rows, measurements, columns, config)
    log_volume = np.log(np.linalg.det(total))
    same_class = compatibility(track_likelihood[rows], measurements.class_likelihood[columns])
    least_same = config.class_confusion / track_likelihood.shape[1]
    cost = squared + np.minimum(sides, _MOST_SIDES) + log_volume - 2 * np.log(same_class)
    worst = gate + _MOST_SIDES + np.max(log_volume, initial=-np.inf) - 2 * np.log(least_same)
    return rows, columns, cost - worst


def _squared_side_distance(
    tracks: Tracks,
    rows: IntArray,
    measurements: Measurements,
    columns: IntArray,
    config: TrackerConfig,
) -> FloatArray:
    """Squared Mahalanobis distance of the sides, longer with longer whatever is called length."""
    size, measured = tracks.size_lwh_m[rows], measurements.size_lwh_m[columns]
    noise = size_noise_m2(measurements.ends_noise_m2[columns], size, config)
    variance = tracks.size_variance_m2[rows] + noise
    flat = np.sort(size[:, :2], axis=1) - np.sort(measured[:, :2], axis=1)
    flat_variance = np.mean(variance[:, :2], axis=1, keepdims=True)
    height = size[:, 2] - measured[:, 2]
    squared: FloatArray = np.sum(flat**2 / flat_variance, axis=1) + height**2 / variance[:, 2]
    return squared


def assign(rows: IntArray, columns: IntArray, cost: FloatArray) -> tuple[IntArray, IntArray]:
    """Cheapest one-to-one choice among the given pairs.

    Args:
        rows: int [K].
        columns: int [K].
        cost: float64 [K], negative; leaving both alone costs nothing.

    Returns:
        The chosen rows and columns.
    """
    from scipy.optimize import linear_sum_assignment

    used_rows, row = np.unique(rows, return_inverse=True)
    used_columns, column = np.unique(columns, return_inverse=True)
    table = np.zeros((len(used_rows), len(used_columns)))
    table[row, column] = cost
    chosen_row, chosen_column = linear_sum_assignment(table)
    paired = table[chosen_row, chosen_column] < 0
    return used_rows[chosen_row[paired]], used_columns[chosen_column[paired]]
