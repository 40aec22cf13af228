"""What the loops of the image tracker work on, and with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

IntArray = NDArray[np.int64]
Pairs = tuple[IntArray, IntArray, FloatArray]
"""Where the pairs of each track start [N + 1], their detections [K] and costs [K]."""

Listing = tuple[FloatArray, FloatArray, FloatArray, FloatArray, IntArray]
"""Of listed tracks: boxes [N, 4], existence [N], class probabilities [N, V], velocity [N, 2] in
pixels per second, and whole numbers [N, 4]."""

LEVELS = 5
"""Number of levels of noise that a detector is thought to have."""

SERIAL, SEEN_NS, DETECTIONS, CONFIRMED = 0, 1, 2, 3
"""Columns of the whole numbers of a track."""


class Tracks(NamedTuple):
    """Room for C tracks over V classes; the first rows are taken.

    Attributes:
        state: float64 [C, 7]: centre u, v in pixels, log of the height in pixels, log of width by
            height; speed along u and v in heights per second, rate of growth per second.
        covariance: float64 [C, 7, 7] of the state.
        log_odds: float64 [C] of existence.
        class_probs: float64 [C, V].
        noise_probs: float64 [C, LEVELS], how noisily the detector sees it, lowest first.
        whole: int64 [C, 4]: serial number, stamp of the newest detection, number of detections,
            whether confirmed.
    """

    state: FloatArray
    covariance: FloatArray
    log_odds: FloatArray
    class_probs: FloatArray
    noise_probs: FloatArray
    whole: IntArray


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


class Model(NamedTuple):
    """Parameters of the loops: those of :class:`ImageTrackerConfig` by the same names.

    Attributes:
        gate: Squared Mahalanobis distance of ``gate_probability``.
    """

    gate: float
    speed: float
    approach: float
    acceleration: float
    acceleration_per_speed: float
    approach_change: float
    shape_change: float
    lost_spread: float
    edge_noise: float
    noise_ratio: float
    noise_memory_s: float
    detection_share: float
    strong_score: float
    new_density: float
    duplicate_overlap: float
    birth_odds: float
    hit_odds: float
    persistence_s: float
    unseen_s: float
    existence_memory_s: float
    confirm_existence: float
    list_existence: float
    list_spread: float
    publish_tentative: bool
    remove_existence: float
    class_memory_s: float
    class_confusion: float
