"""Detections of a frame made ready: unusable ones out, the others in an order of their own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.assignment import IntArray


class Found(NamedTuple):
    """Usable detections of a frame, sorted by what they say and not by how they came.

    Attributes:
        xyxy_px: float64 [M, 4].
        score: float64 [M].
        label: int64 [M], index of the class.
    """

    xyxy_px: FloatArray
    score: FloatArray
    label: IntArray


class Instant(NamedTuple):
    """When a frame was seen, where the image ends, and what is new.

    Attributes:
        stamp_ns: Its stamp.
        dt_s: Time since the frame before.
        serial: Number of the next new track.
        width_px: Of the image, infinite where nobody knows.
        height_px: Likewise.
    """

    stamp_ns: int
    dt_s: float
    serial: int
    width_px: float
    height_px: float


@machine_code
def prepared(xyxy_px: FloatArray, score: FloatArray, label: IntArray) -> Found:
    """Detections with finite boxes of some size and scores in [0, 1], sorted by all they say.

    Args:
        xyxy_px: float64 [M, 4].
        score: float64 [M].
        label: int64 [M].
    """
    keys = np.empty((len(score), 6))
    num = 0
    for m in range(len(score)):
        box = xyxy_px[m]
        if np.isfinite(box).all() and box[2] > box[0] and box[3] > box[1] and 0 <= score[m] <= 1:
            place = num
            keys[num, :4], keys[num, 4], keys[num, 5] = box, score[m], label[m]
            while place > 0 and _is_before(keys[num], keys[place - 1]):
                place -= 1
            last = keys[num].copy()
            for k in range(num, place, -1):
                keys[k] = keys[k - 1]
            keys[place] = last
            num += 1
    return Found(keys[:num, :4].copy(), keys[:num, 4].copy(), keys[:num, 5].astype(np.int64))


@machine_code
def _is_before(one: FloatArray, other: FloatArray) -> bool:
    for i in range(len(one)):
        if one[i] != other[i]:
            before: bool = one[i] < other[i]
            return before
    return False
