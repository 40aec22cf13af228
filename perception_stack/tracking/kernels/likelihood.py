"""How likely the detections of one object are, one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.found import FoundTable
from perception_stack.tracking.kernels.births import bear
from perception_stack.tracking.kernels.filter import correct
from perception_stack.tracking.kernels.motion import predict
from perception_stack.tracking.kernels.precision import expected_scale2
from perception_stack.tracking.kernels.turns import squared_and_volume
from perception_stack.tracking.tracks import Row, TrackTable

_NOWHERE = np.full(3, np.nan)


@machine_code
def surprises(
    found: FoundTable, stamps_ns: NDArray[np.int64], table: TrackTable, p: Row
) -> tuple[FloatArray, FloatArray]:
    """What each detection of one object is, given those before.

    Args:
        found: [M], in order of time.
        stamps_ns: int64 [M].
        table: [1] of zeros to work in.
        p: Parameters.

    Returns:
        Log density of the pose; squared Mahalanobis distance of the place, with the noise that
        is expected; float64 [M] each, NaN for the first detection.
    """
    num = len(found)
    log_density, place, offset = np.full(num, np.nan), np.full(num, np.nan), np.empty(3)
    bear(found[:1], table, stamps_ns[0], p)
    for m in range(1, num):
        predict(table, 1e-9 * (stamps_ns[m] - stamps_ns[m - 1]), p)
        for i in range(3):
            offset[i] = found[m].center_m[i] - table[0].center_m[i]
        scale2 = expected_scale2(table[0].level_probs, p)
        place[m], _ = squared_and_volume(table[0].covariance, found[m].noise, scale2, offset)
        _, log_density[m] = correct(table[0], found[m], _NOWHERE, p)
    return log_density, place
