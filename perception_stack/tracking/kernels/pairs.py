"""Which tracks and detections could belong together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.kernels.turns import cholesky
from perception_stack.tracking.measurements import MeasuredState
from perception_stack.tracking.tracks import FilterState

IntArray = NDArray[np.intp]


@machine_code
def pairs_in_reach(
    center: FloatArray,
    spread_m2: FloatArray,
    found_m: FloatArray,
    noise_m2: FloatArray,
    gate: float,
) -> tuple[IntArray, IntArray]:
    """Pairs whose distance may be inside the gate, without a look at the far ones.

    Args:
        center: float64 [N, 3].
        spread_m2: float64 [N], trace of the covariance of each centre: no direction is wider.
        found_m: float64 [M, 3], with rising x.
        noise_m2: float64 [M], likewise.
        gate: Squared Mahalanobis distance.
    """
    rows, columns = [0][:0], [0][:0]
    most_m2 = noise_m2.max() if len(noise_m2) else 0.0
    for n in range(len(center)):
        reach_m = np.sqrt(gate * (spread_m2[n] + most_m2))
        start = np.searchsorted(found_m[:, 0], center[n, 0] - reach_m)
        for m in range(start, len(found_m)):
            x = found_m[m, 0] - center[n, 0]
            if x > reach_m:
                break
            y, z = found_m[m, 1] - center[n, 1], found_m[m, 2] - center[n, 2]
            if x * x + y * y + z * z <= gate * (spread_m2[n] + noise_m2[m]):
                rows.append(n)
                columns.append(m)
    return np.array(rows, dtype=np.intp), np.array(columns, dtype=np.intp)


@machine_code
def pair_distances(
    pairs: tuple[IntArray, IntArray],
    state: FilterState,
    measured: MeasuredState,
    size_noise: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Squared Mahalanobis distance of pairs in place, the log determinant behind it, and in sides.

    Longer sides are compared with longer ones, whatever is called length.
    """
    center, _, _, covariance, size, size_variance = state
    found_m, _, noise, found_size, ends_noise = measured
    rows, columns = pairs
    num = len(rows)
    squared, log_volume, sides = np.zeros(num), np.zeros(num), np.zeros(num)
    factor, offset, variance = np.empty((3, 3)), np.empty(3), np.empty(3)
    for k in range(num):
        n, m = rows[k], columns[k]
        for i in range(3):
            offset[i] = found_m[m, i] - center[n, i]
            variance[i] = size_variance[n, i] + ends_noise[m, i] + (size_noise * size[n, i]) ** 2
            for j in range(3):
                factor[i, j] = covariance[n, i, j] + noise[m, i, j]
        cholesky(factor, 3)
        for i in range(3):
            for j in range(i):
                offset[i] -= factor[i, j] * offset[j]
            offset[i] /= factor[i, i]
            squared[k] += offset[i] ** 2
            log_volume[k] += 2 * np.log(factor[i, i])
        flat = 0.5 * (variance[0] + variance[1])
        short = min(size[n, 0], size[n, 1]) - min(found_size[m, 0], found_size[m, 1])
        long = max(size[n, 0], size[n, 1]) - max(found_size[m, 0], found_size[m, 1])
        high = size[n, 2] - found_size[m, 2]
        sides[k] = (short**2 + long**2) / flat + high**2 / variance[2]
    return squared, log_volume, sides
