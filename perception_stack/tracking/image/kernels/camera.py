"""A camera that was turned or shaken moves everything in the image alike."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.image.kernels.state import Found, Pairs, Tracks

_LEAST_PAIRS = 3  # of two that disagree nobody knows which one moved


@machine_code
def follow_camera(tracks: Tracks, num: int, found: Found, pairs: Pairs) -> bool:
    """Move all tracks by what their cheapest detections agree on; whether they were moved.

    It is the median of the differences, weighted by their certainty and drawn to zero while few
    speak: a single car that brakes does not turn the camera. Where most tracks have no detection
    that is better than something new, the others in their gates are asked as well.
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
