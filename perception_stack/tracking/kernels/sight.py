"""What is hidden behind what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.kernels.turns import write_axes


@machine_code
def _is_met(
    start_m: FloatArray,
    way_m: FloatArray,
    center_m: FloatArray,
    axes: FloatArray,
    half_m: FloatArray,
) -> bool:
    """Whether a way meets a box before its end, by its three pairs of planes."""
    enter, leave = 0.0, 1.0
    for k in range(3):
        offset, slope = 0.0, 0.0
        for i in range(3):
            offset += axes[i, k] * (start_m[i] - center_m[i])
            slope += axes[i, k] * way_m[i]
        if abs(slope) < 1e-12:
            if abs(offset) > half_m[k]:
                return False
            continue
        near, far = (-half_m[k] - offset) / slope, (half_m[k] - offset) / slope
        enter, leave = max(enter, min(near, far)), min(leave, max(near, far))
    return enter < leave


@machine_code
def seen_share(
    center: FloatArray,
    quat: FloatArray,
    size: FloatArray,
    asked_hiding: tuple[NDArray[np.intp], NDArray[np.intp]],
    sight: tuple[FloatArray, FloatArray, float],
) -> FloatArray:
    """Share of each box asked for that is in view and not behind another; see :mod:`sight`."""
    asked, hiding = asked_hiding
    origin_m, ahead, least_cosine = sight
    num = len(center)
    axes, share = np.empty((num, 3, 3)), np.ones(num)
    way = np.empty(3)
    for n in range(num):
        write_axes(quat[n], axes[n])
    for n in asked:
        num_seen = 0
        for corner in range(9):
            for i in range(3):
                way[i] = center[n, i] - origin_m[i]
                for k in range(3):
                    if corner < 8:
                        sign = 1.0 if corner & (1 << k) else -1.0
                        way[i] += 0.25 * sign * size[n, k] * axes[n, i, k]
            is_seen = np.sum(way * ahead) >= least_cosine * np.sqrt(np.sum(way**2))
            for m in hiding:
                if not is_seen:
                    break
                if m != n and _is_met(origin_m, way, center[m], axes[m], 0.5 * size[m]):
                    is_seen = False
            if is_seen:
                num_seen += 1
        share[n] = num_seen / 9.0
    return share
