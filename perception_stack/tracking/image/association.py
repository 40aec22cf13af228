"""Which detection could be that of which track, and what that costs."""

from __future__ import annotations

import numpy as np

from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.assignment import Pairs
from perception_stack.tracking.common.config import Row
from perception_stack.tracking.common.rectangles import overlap
from perception_stack.tracking.image.detections import Found, Instant
from perception_stack.tracking.image.edges import (
    larger_side,
    log_likelihood,
    write_edges,
    write_innovation,
)
from perception_stack.tracking.image.tracks import LEVELS, Tracks


@machine_code
def pair_costs(tracks: Tracks, num: int, found: Found, instant: Instant, p: Row) -> Pairs:
    """Pairs inside of the gate.

    The cost is minus twice the log odds of the detection being that of the track and not of
    something new, as in space (``tracking/space/association.py``): existence of the track,
    density of the four edges, agreement of the classes. Above zero it is something new.
    """
    num_found, num_classes = len(found.score), tracks.class_probs.shape[1]
    first = np.zeros(num + 1, dtype=np.int64)
    columns, costs = np.empty(num * num_found, dtype=np.int64), np.empty(num * num_found)
    innovation = np.empty((4, 7)), np.empty(4), np.empty((4, 4))
    edges, unused = np.empty(4), np.empty(LEVELS)
    sure = 1 - p.class_confusion
    confused = p.class_confusion / num_classes
    widest_box_px = 0.0
    for box in found.xyxy_px:
        widest_box_px = max(widest_box_px, box[2] - box[0])
    count = 0
    for n in range(num):
        state, covariance = tracks.state[n], tracks.covariance[n]
        write_edges(state, edges)
        side_px = larger_side(edges)
        noise_px = p.edge_noise * side_px
        widest_px2 = (noise_px * p.noise_ratio ** (LEVELS - 1)) ** 2
        log_new = np.log(p.new_density) + 2 * np.log(2 * np.pi) - 4 * np.log(side_px)
        log_new += np.log(1 + np.exp(-tracks.log_odds[n]))  # minus log of existence
        reach_u_px = np.sqrt(p.gate * (covariance[0, 0] + widest_px2))
        reach_v_px = np.sqrt(p.gate * (covariance[1, 1] + widest_px2))
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
                innovation, noise_px, tracks.noise_probs[n], p, unused
            )
            # written so that NaN fails
            if not (squared <= p.gate and np.isfinite(log_like)):
                continue
            of_track = sure * tracks.class_probs[n, found.label[m]] + confused
            same_class = num_classes * (sure * of_track + confused)
            columns[count] = m
            costs[count] = 2 * (log_new - np.log(same_class) - log_like)
            count += 1
        first[n + 1] = count
    return first, columns[:count], costs[:count]
