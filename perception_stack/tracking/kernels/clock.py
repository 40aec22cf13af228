"""How far the stamp of a frame is off, told by all that moves; see :mod:`tracking.clock`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.found import FoundTable
from perception_stack.tracking.kernels.precision import expected_scale2, mixture
from perception_stack.tracking.kernels.turns import cholesky
from perception_stack.tracking.tracks import Row, TrackTable

# Share of an offset that is not followed. Nothing but the stamps says what time it is: tracks that
# were set to a wrong time all agree on it, and with accelerations of their own would drift away.
_PULL = 0.15


@machine_code
def _information(t: Row, f: Row, p: Row) -> tuple[float, float]:
    """Of one detection about the offset: weight ``v' S^-1 v``, and ``v' S^-1 r``."""
    factor, offset, speed = np.empty((3, 3)), np.empty(3), np.empty(3)
    for i in range(3):
        offset[i], speed[i] = f.center_m[i] - t.center_m[i], t.twist[i]
    level_probs = t.level_probs.copy()
    mixture(t.covariance, f.noise, offset, level_probs, p)
    scale2 = expected_scale2(level_probs, p)
    for i in range(3):
        for j in range(3):
            factor[i, j] = t.covariance[i, j] + scale2 * f.noise[i, j]
    cholesky(factor, 3)
    weight, told = 0.0, 0.0
    for i in range(3):
        for j in range(i):
            offset[i] -= factor[i, j] * offset[j]
            speed[i] -= factor[i, j] * speed[j]
        offset[i] /= factor[i, i]
        speed[i] /= factor[i, i]
        weight += speed[i] ** 2
        told += speed[i] * offset[i]
    return weight, told


@machine_code
def blurred(t: Row, variance_s2: float, place: FloatArray) -> None:
    """Write the covariance [3, 3] of the place of a track at a time that is uncertain."""
    for i in range(3):
        for j in range(3):
            place[i, j] = t.covariance[i, j] + variance_s2 * t.twist[i] * t.twist[j]


@machine_code
def set_to_detections(
    table: TrackTable, found: FoundTable, chosen: NDArray[np.intp], variance_s2: float, p: Row
) -> tuple[float, float]:
    """Move predicted tracks to when their detections were made, in place.

    Args:
        table: [N].
        found: [M].
        chosen: int [N], detection of each track, -1 for none.
        variance_s2: Of stamps, as far as known before.
        p: Parameters.

    Returns:
        Estimated offset in seconds, and its variance.
    """
    total, told = 1.0 / variance_s2, 0.0
    for n in range(len(table)):
        if chosen[n] >= 0:
            one, says = _information(table[n], found[chosen[n]], p)
            total += one
            told += says
    offset_s, left_s2, place = (1 - _PULL) * told / total, 1.0 / total, np.empty((3, 3))
    for n in range(len(table)):
        for i in range(3):
            table[n].center_m[i] += offset_s * table[n].twist[i]
        if chosen[n] >= 0:
            # of the others no detection says when they were where
            blurred(table[n], left_s2, place)
            table[n].covariance[:3, :3] = place
    return offset_s, left_s2
