"""The tracks as others see them."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.assignment import IntArray
from perception_stack.tracking.common.config import Row
from perception_stack.tracking.image.detections import Found, Instant
from perception_stack.tracking.image.edges import share_in_image, write_clipped, write_edges
from perception_stack.tracking.image.tracks import CONFIRMED, Tracks

Listing = tuple[FloatArray, FloatArray, FloatArray, FloatArray, IntArray]
"""Of listed tracks: boxes [N, 4], existence [N], class probabilities [N, V], velocity [N, 2] in
pixels per second, and whole numbers [N, 4]."""

_LISTED_IN_IMAGE = 0.6  # share of an undetected box that must lie inside of the image


@machine_code
def listing(tracks: Tracks, found: Found, chosen: IntArray, instant: Instant, p: Row) -> Listing:
    """Confirmed tracks, and others if the parameters say so, cut to the image.

    What is not detected is listed while it is likely to be there and its place is known.
    """
    num = len(chosen)
    rows, boxes = np.empty(num, dtype=np.int64), np.empty((num, 4))
    edges = np.empty(4)
    count = 0
    for n in range(num):
        write_edges(tracks.state[n], edges)
        is_known = True
        if chosen[n] >= 0:
            box = found.xyxy_px[chosen[n]]
            for i in range(4):
                edges[i] += p.detection_share * (box[i] - edges[i])
        else:
            spread = np.sqrt(tracks.covariance[n, 0, 0]) / (edges[2] - edges[0])
            is_known = spread <= p.list_spread
            is_known &= share_in_image(edges, instant) > _LISTED_IN_IMAGE
        if tracks.whole[n, CONFIRMED]:
            is_known &= tracks.log_odds[n] >= p.list_log_odds
        else:
            is_known = p.publish_tentative
        write_clipped(edges, instant, boxes[count])
        is_inside = boxes[count, 2] > boxes[count, 0] and boxes[count, 3] > boxes[count, 1]
        if is_known and is_inside:
            rows[count] = n
            count += 1
    score, velocity_px = np.empty(count), np.empty((count, 2))
    class_probs = np.empty((count, tracks.class_probs.shape[1]))
    whole = np.empty((count, tracks.whole.shape[1]), dtype=np.int64)
    for k in range(count):
        n = rows[k]
        score[k] = 1 / (1 + np.exp(-tracks.log_odds[n]))
        velocity_px[k] = tracks.state[n, 4:6] * np.exp(tracks.state[n, 2])
        class_probs[k] = tracks.class_probs[n]
        whole[k] = tracks.whole[n]
    return boxes[:count].copy(), score, class_probs, velocity_px, whole
