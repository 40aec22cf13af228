"""Loops over grasps and points in machine code."""

# ruff: noqa: PLR0912, PLR0915, PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.geometry.compiled import compiled


@compiled
def close_on(
    position_m: Any,
    rotation: Any,
    points_m: Any,
    normals: Any,
    area_m2: Any,
    reach_m: float,
    pad_m: float,
    half_width_m: float,
    give_m: float,
    band_m: float,
) -> Any:
    """Where the pads of G grasps touch a surface of N points.

    Points between the pads and up to ``reach_m`` to both sides count. Those within ``give_m`` of
    the outermost one of a side touch; those within ``band_m`` tell how the side runs.

    Returns:
        float64 [G, 2, 9], for the low and the high side: outermost y, infinite where there is
        nothing; touching area; least x of it; cosine of its mean normal and the closing line; its
        middle in x and z; then of the band the mean normal's y and z in the grasp frame, and how
        the normals' z changes along z, 1/m, negative where the side is hollow.
    """
    num, far = len(position_m), np.inf
    found = np.zeros((num, 2, 9))
    # x, y, z, normal and area in the grasp frame
    local = np.empty((len(points_m), 7))
    patch, band = np.empty(6), np.empty(6)  # sums by area
    for g in range(num):
        r = rotation[g]
        low, high, count = far, -far, 0
        for i in range(len(points_m)):
            dx = points_m[i, 0] - position_m[g, 0]
            dy = points_m[i, 1] - position_m[g, 1]
            dz = points_m[i, 2] - position_m[g, 2]
            x = dx * r[0, 0] + dy * r[1, 0] + dz * r[2, 0]
            if x > 0 or x < -pad_m:
                continue
            z = dx * r[0, 2] + dy * r[1, 2] + dz * r[2, 2]
            if abs(z) > half_width_m:
                continue
            y = dx * r[0, 1] + dy * r[1, 1] + dz * r[2, 1]
            if abs(y) > reach_m:
                continue
            low, high = min(low, y), max(high, y)
            local[count, 0], local[count, 1], local[count, 2] = x, y, z
            for k in range(3):
                local[count, 3 + k] = (
                    normals[i, 0] * r[0, k] + normals[i, 1] * r[1, k] + normals[i, 2] * r[2, k]
                )
            local[count, 6] = area_m2[i]
            count += 1
        for side in range(2):
            sign = 2.0 * side - 1.0
            edge = high if side else -low
            patch[:], band[:], least = 0.0, 0.0, far
            for k in range(count):
                x, y, z = local[k, 0], local[k, 1], local[k, 2]
                nx, ny, nz, area = local[k, 3], local[k, 4], local[k, 5], local[k, 6]
                if sign * ny <= 0 or sign * y < edge - band_m:
                    continue
                band[0] += area
                band[1] += area * ny
                band[2] += area * nz
                band[3] += area * z
                band[4] += area * z * z
                band[5] += area * z * nz
                if sign * y >= edge - give_m and area > 0:
                    patch[0] += area
                    patch[1] += area * nx
                    patch[2] += area * ny
                    patch[3] += area * nz
                    patch[4] += area * x
                    patch[5] += area * z
                    least = min(least, x)
            out = found[g, side]
            out[0] = sign * edge
            if patch[0] > 0:
                length = np.sqrt(patch[1] ** 2 + patch[2] ** 2 + patch[3] ** 2)
                out[1], out[2] = patch[0], least
                out[3] = sign * patch[2] / max(length, 1e-12)
                out[4], out[5] = patch[4] / patch[0], patch[5] / patch[0]
                out[6], out[7] = band[1] / band[0], band[2] / band[0]
                spread = band[4] - band[3] * band[3] / band[0]
                if spread > 1e-6 * band[0]:
                    out[8] = (band[5] - band[3] * band[2] / band[0]) / spread
    return found


@compiled
def first_clear(
    position_m: Any,
    rotation: Any,
    low_m: Any,
    high_m: Any,
    closed_m: Any,
    target_m: Any,
    scene_m: Any,
    least_m: float,
    most_m: float,
    enough: int,
) -> Any:
    """How far the boxes of G grasps, in order, are from all points, until enough are clear.

    Args:
        position_m: float64 [G, 3].
        rotation: float64 [G, 3, 3].
        low_m: float64 [G, 3, 3], least corners of the gripper's boxes in the grasp frame.
        high_m: float64 [G, 3, 3].
        closed_m: float64 [G], y of the left finger's inner side when it touches: what is no part
            of the object must not lie in its way there.
        target_m: float64 [N, 3], of the object.
        scene_m: float64 [M, 3], of everything else.
        least_m: Distance that is too little.
        most_m: Distances are not looked at beyond this.
        enough: How many clear ones are wanted.

    Returns:
        float64 [G]: distance; -1 where the object itself is in the way, -2 where another thing is,
        -3 where nobody looked.
    """
    num = len(position_m)
    clear = np.full(num, -3.0)
    done = 0
    for g in range(num):
        if done >= enough:
            break
        r = rotation[g]
        px, py, pz = position_m[g, 0], position_m[g, 1], position_m[g, 2]
        x0 = min(low_m[g, 0, 0], low_m[g, 2, 0]) - most_m
        y1 = max(high_m[g, 0, 1], high_m[g, 2, 1]) + most_m
        z1 = max(high_m[g, 0, 2], high_m[g, 2, 2]) + most_m
        nearest = most_m
        for part in range(2):
            points = scene_m if part else target_m
            for i in range(len(points)):
                dx, dy, dz = points[i, 0] - px, points[i, 1] - py, points[i, 2] - pz
                x = dx * r[0, 0] + dy * r[1, 0] + dz * r[2, 0]
                if x > most_m or x < x0:
                    continue
                y = dx * r[0, 1] + dy * r[1, 1] + dz * r[2, 1]
                z = dx * r[0, 2] + dy * r[1, 2] + dz * r[2, 2]
                if abs(y) > y1 or abs(z) > z1:
                    continue
                for b in range(3):
                    ox = max(low_m[g, b, 0] - x, x - high_m[g, b, 0], 0.0)
                    y_low, y_high = low_m[g, b, 1], high_m[g, b, 1]
                    if part and b == 0:
                        y_low = closed_m[g]
                    elif part and b == 1:
                        y_high = -closed_m[g]
                    oy = max(y_low - y, y - y_high, 0.0)
                    oz = max(low_m[g, b, 2] - z, z - high_m[g, b, 2], 0.0)
                    away = ox * ox + oy * oy + oz * oz
                    if away < nearest * nearest:
                        nearest = np.sqrt(away)
                if nearest < least_m:
                    clear[g] = -1.0 - part
                    break
            if nearest < least_m:
                break
        if nearest >= least_m:
            clear[g] = nearest
            done += 1
    return clear
