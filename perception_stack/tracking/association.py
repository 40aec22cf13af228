"""Which detection belongs to which track."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.measurements import Measurements
from perception_stack.tracking.tracks import Tracks

IntArray = NDArray[np.intp]


def associate(
    tracks: Tracks,
    track_likelihood: FloatArray,
    measurements: Measurements,
    config: TrackerConfig,
    *,
    stamp_variance_s2: float = 0.0,
) -> IntArray:
    """Best assignment of detections to tracks: strong ones first, weak ones to who is left.

    Within a stage the sum of the costs is least among all assignments (Jonker, Volgenant 1987).
    A weak detection thus never takes a track from a strong one (ByteTrack, Zhang et al. 2022).

    Args:
        tracks: N predicted tracks.
        track_likelihood: float64 [N, V], of their classes.
        measurements: M detections.
        config: Gate and weights.
        stamp_variance_s2: Of the stamp, which makes the place of what moves less certain.

    Returns:
        Detection of each track, int [N], -1 for none.
    """
    from perception_stack.tracking.kernels import association as kernels

    return kernels.associate(
        (tracks.table, track_likelihood),
        (measurements.table, measurements.class_likelihood),
        stamp_variance_s2,
        numbers(config),
    )
