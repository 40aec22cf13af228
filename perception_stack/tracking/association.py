"""Which detection belongs to which track."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.tracking.classification import compatibility
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.existence import probability
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
    free = np.ones(len(tracks), dtype=np.bool_)
    free[first[0]] = False
    left = ~strong & free[rows]
    second = assign(rows[left], columns[left], cost[left])
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def pair_costs(
    tracks: Tracks,
    track_likelihood: FloatArray,
    measurements: Measurements,
    config: TrackerConfig,
) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs within the gate and what each costs.

    The cost is minus twice the log odds of the detection being that of the track and not of
    something new: the existence of the track; a density normal in place and sides, the latter
    with a bound, since of a thing partly hidden any part may show; and how well the classes
    agree. A track that could be anywhere or is hardly there thus loses against something new.

    Returns:
        track index int [K], rising, detection index int [K], cost float64 [K]; above zero the
        detection is something new.
    """
    from scipy.special import gammaincinv

    from perception_stack.tracking.kernels.pairs import pair_distances, pairs_in_reach

    gate = 2 * gammaincinv(1.5, config.gate_probability)  # chi-square, 3 degrees of freedom
    spread_m2 = np.trace(tracks.covariance[:, PLACE, PLACE], axis1=1, axis2=2)
    noise_m2 = np.trace(measurements.noise[:, PLACE, PLACE], axis1=1, axis2=2)
    rows, columns = pairs_in_reach(
        tracks.center_m, spread_m2, measurements.center_m, noise_m2, gate
    )
    squared, log_volume, sides = pair_distances(
        (rows, columns), tracks.state, measurements.state, config.size_noise
    )
    inside = squared <= gate
    rows, columns, squared, log_volume, sides = (
        one[inside] for one in (rows, columns, squared, log_volume, sides)
    )
    same_class = compatibility(track_likelihood[rows], measurements.class_likelihood[columns])
    log_new = np.log(config.new_density * (2 * np.pi) ** 1.5) - 3 * np.log(tracks.scale_m[rows])
    log_exists = np.log(probability(tracks.log_odds[rows]))
    cost = squared + np.minimum(sides, _MOST_SIDES) + log_volume
    return rows, columns, cost + 2 * (log_new - np.log(same_class) - log_exists)


def assign(rows: IntArray, columns: IntArray, cost: FloatArray) -> tuple[IntArray, IntArray]:
    """Cheapest one-to-one choice among the given pairs.

    Args:
        rows: int [K], rising.
        columns: int [K].
        cost: float64 [K]; leaving both alone costs nothing.

    Returns:
        The chosen rows and columns.
    """
    from perception_stack.tracking.kernels.assignment import cheapest

    worth = cost < 0
    if not worth.any():
        return rows[:0], columns[:0]
    rows, columns, cost = rows[worth], columns[worth], cost[worth]
    first = np.searchsorted(rows, np.arange(rows[-1] + 2))
    chosen = cheapest((first, columns, cost), int(columns.max()) + 1)
    paired = np.flatnonzero(chosen >= 0)
    return paired, chosen[paired]
