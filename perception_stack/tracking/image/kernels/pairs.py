"""Which detection could be that of which track, and what that costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.image.kernels.boxes import larger_side, write_edges
from perception_stack.tracking.image.kernels.edges import log_likelihood, write_innovation
from perception_stack.tracking.image.kernels.state import (
    LEVELS,
    Found,
    Instant,
    IntArray,
    Model,
    Pairs,
    Tracks,
)
from perception_stack.tracking.kernels.assignment import cheapest
from perception_stack.tracking.kernels.rectangles import overlap


@machine_code
def pair_costs(tracks: Tracks, num: int, found: Found, instant: Instant, model: Model) -> Pairs:
    """Pairs inside of the gate.

    The cost is minus twice the log odds of the detection being that of the track and not of
    something new, as in space (``tracking/kernels/association.py``): existence of the track,
    density of the four edges, agreement of the classes. Above zero it is something new.
    """
    num_found, num_classes = len(found.score), tracks.class_probs.shape[1]
    first = np.zeros(num + 1, dtype=np.int64)
    columns, costs = np.empty(num * num_found, dtype=np.int64), np.empty(num * num_found)
    innovation = np.empty((4, 7)), np.empty(4), np.empty((4, 4))
    edges, unused = np.empty(4), np.empty(LEVELS)
    sure = 1 - model.class_confusion
    confused = model.class_confusion / num_classes
    widest_box_px = 0.0
    for box in found.xyxy_px:
        widest_box_px = max(widest_box_px, box[2] - box[0])
    count = 0
    for n in range(num):
        state, covariance = tracks.state[n], tracks.covariance[n]
        write_edges(state, edges)
        side_px = larger_side(edges)
        noise_px = model.edge_noise * side_px
        widest_px2 = (noise_px * model.noise_ratio ** (LEVELS - 1)) ** 2
        log_new = np.log(model.new_density) + 2 * np.log(2 * np.pi) - 4 * np.log(side_px)
        log_new += np.log(1 + np.exp(-tracks.log_odds[n]))  # minus log of existence
        reach_u_px = np.sqrt(model.gate * (covariance[0, 0] + widest_px2))
        reach_v_px = np.sqrt(model.gate * (covariance[1, 1] + widest_px2))
        least_px = min(edges[0], state[0] - reach_u_px) - widest_box_px
        most_px = max(edges[2], state[0] + reach_u_px)
        for m in range(np.searchsorted(found.xyxy_px[:, 0], least_px), num_found):
            box = found.xyxy_px[m]
            if box[0] > most_px:
                break  # they are sorted by their left edges
            u, v = 0.5 * (box[0] + box[2]) - state[0], 0.5 * (box[1] + box[3]) - state[1]
            is_far = abs(u) > reach_u_px or abs(v) > reach_v_px
            # of what is cut off by the border the centre may be anywhere
            if is_far and overlap(edges, box)[0] == 0:
                continue
            write_innovation(state, covariance, box, instant, innovation)
            log_like, squared = log_likelihood(
                innovation, noise_px, tracks.noise_probs[n], model, unused
            )
            # written so that NaN fails
            if not (squared <= model.gate and np.isfinite(log_like)):
                continue
            of_track = sure * tracks.class_probs[n, found.label[m]] + confused
            same_class = num_classes * (sure * of_track + confused)
            columns[count] = m
            costs[count] = 2 * (log_new - np.log(same_class) - log_like)
            count += 1
        first[n + 1] = count
    return first, columns[:count], costs[:count]


@machine_code
def assign(pairs: Pairs, wanted: NDArray[np.bool_], chosen: IntArray) -> None:
    """Give wanted detections to tracks that have none, at the least sum of costs.

    Args:
        pairs: Costs of N tracks.
        wanted: bool [M].
        chosen: int64 [N], detection of each track, -1 for none; written.
    """
    first, columns, costs = pairs
    start = np.zeros(len(first), dtype=np.int64)
    picked, price = np.empty_like(columns), np.empty_like(costs)
    count = 0
    for n in range(len(chosen)):
        if chosen[n] < 0:
            for k in range(first[n], first[n + 1]):
                if wanted[columns[k]]:
                    picked[count], price[count] = columns[k], costs[k]
                    count += 1
        start[n + 1] = count
    if count > 0:
        best = cheapest((start, picked[:count], price[:count]), len(wanted))
        for n in range(len(chosen)):
            if best[n] >= 0:
                chosen[n] = best[n]
