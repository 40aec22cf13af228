"""Which tracks and detections could belong together, at what cost, and which do."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.assignment import IntArray, Pairs, assign_in_stages
from perception_stack.tracking.common.classes import compatibility, likelihood
from perception_stack.tracking.common.config import Parameters, Row
from perception_stack.tracking.space.clock import blurred
from perception_stack.tracking.space.measurements import FoundTable
from perception_stack.tracking.space.precision import mixture
from perception_stack.tracking.space.tracks import NUM_LEVELS, TrackTable

_MOST_SIDES = 10.0  # squared distance of sides beyond which they say no more


@machine_code
def _sides(t: Row, f: Row, size_noise: float) -> float:
    """Squared distance in sides; the longer ones are compared, whatever they are called."""
    size, found_size, variance = t.size_lwh_m, f.size_lwh_m, np.empty(3)
    for i in range(3):
        variance[i] = t.size_variance_m2[i] + f.ends_noise_m2[i] + (size_noise * size[i]) ** 2
    flat = 0.5 * (variance[0] + variance[1])
    short = min(size[0], size[1]) - min(found_size[0], found_size[1])
    long = max(size[0], size[1]) - max(found_size[0], found_size[1])
    high = size[2] - found_size[2]
    return float((short**2 + long**2) / flat + high**2 / variance[2])


@machine_code
def associate(
    tracks: tuple[TrackTable, FloatArray],
    found: tuple[FoundTable, FloatArray],
    unknown: int,
    stamp_variance_s2: float,
    parameters: Parameters,
) -> IntArray:
    """Best assignment of detections to tracks: strong ones first, weak ones to who is left.

    Args:
        tracks: N predicted ones and their class probabilities, float64 [N, V].
        found: M detections, with rising x, and theirs, float64 [M, V].
        unknown: Column of "unknown".
        stamp_variance_s2: Of the stamp, which makes the place of what moves less certain.
        parameters: Gate and weights.

    Returns:
        Detection of each track, int [N], -1 for none.
    """
    p = parameters[0]
    (table, probs), (found_table, found_probs) = tracks, found
    pairs = pair_costs(
        (table, likelihood(probs, unknown, p)),
        (found_table, likelihood(found_probs, unknown, p)),
        stamp_variance_s2,
        p,
    )
    return assign_in_stages(pairs, scores(found_table), p.strong_score)


@machine_code
def scores(found: FoundTable) -> FloatArray:
    """Column of the table; Numba reads none at once."""
    score = np.empty(len(found))
    for m in range(len(found)):
        score[m] = found[m].score
    return score


@machine_code
def pair_costs(
    tracks_and_like: tuple[TrackTable, FloatArray],
    found_and_like: tuple[FoundTable, FloatArray],
    stamp_variance_s2: float,
    p: Row,
) -> Pairs:
    """Pairs within the gate and what each costs, without a look at those far apart.

    The cost is minus twice the log odds of the detection being that of the track and not of
    something new: the existence of the track; a density normal in place and sides, the latter
    with a bound, since of a thing partly hidden any part may show; and how well the classes
    agree. A track that could be anywhere or is hardly there thus loses against something new.

    Args:
        tracks_and_like: N predicted tracks; float64 [N, V], of their classes.
        found_and_like: M detections, with rising x; float64 [M, V].
        stamp_variance_s2: Of when the detections were made.
        p: Parameters.
    """
    (tracks, track_like), (found, found_like) = tracks_and_like, found_and_like
    num = len(found)
    first = np.zeros(len(tracks) + 1, dtype=np.intp)
    columns, costs = [0][:0], [0.0][:0]
    x_m, noise_m2, most_m2, offset = np.empty(num), np.empty(num), 0.0, np.empty(3)
    level_probs, place = np.empty(NUM_LEVELS), np.empty((3, 3))
    for m in range(num):
        x_m[m] = found[m].center_m[0]
        noise = found[m].noise
        noise_m2[m] = p.level_scale2[-1] * (noise[0, 0] + noise[1, 1] + noise[2, 2])
        most_m2 = max(most_m2, noise_m2[m])
    for n in range(len(tracks)):
        t = tracks[n]
        # a trace is more than the variance in any direction
        blurred(t, stamp_variance_s2, place)
        spread_m2 = place[0, 0] + place[1, 1] + place[2, 2]
        reach_m = np.sqrt(p.gate * (spread_m2 + most_m2))
        log_size = 0.5 * np.log(np.sum(t.size_lwh_m**2))
        log_new = np.log(p.new_density * (2 * np.pi) ** 1.5) - 3 * log_size
        log_exists = -np.log1p(np.exp(-t.log_odds))
        for m in range(np.searchsorted(x_m, t.center_m[0] - reach_m), num):
            distance2 = 0.0
            for i in range(3):
                offset[i] = found[m].center_m[i] - t.center_m[i]
                distance2 += offset[i] ** 2
            if offset[0] > reach_m:
                break
            if distance2 > p.gate * (spread_m2 + noise_m2[m]):
                continue
            level_probs[:] = t.level_probs
            log_density, squared = mixture(place, found[m].noise, offset, level_probs, p)
            if squared > p.gate:
                continue
            same_class = compatibility(track_like[n], found_like[m])
            sides = min(_sides(t, found[m], p.size_noise), _MOST_SIDES)
            columns.append(m)
            costs.append(sides + 2 * (log_new - log_density - np.log(same_class) - log_exists))
        first[n + 1] = len(columns)
    return first, np.array(columns, dtype=np.intp), np.array(costs)
