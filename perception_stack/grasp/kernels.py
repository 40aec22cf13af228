"""Loops over grasps and points in machine code."""

# ruff: noqa: PLR0912, PLR0917 - machine code takes its arguments by position
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
) -> Any:
    """Where the pads of G grasps touch a surface of N points.

    Points between the pads and up to ``reach_m`` to both sides count; those within ``give_m`` of
    the outermost ones touch.

    Returns:
        float64 [G, 16]: lowest and highest y, then least and greatest x of what touches; then for
        the low and the high side the touching area, the sum of normals by area in the grasp frame
        (three), and the middle of the patch in x and z.
    """
    num, far = len(position_m), np.inf
    found = np.zeros((num, 16))
    local_y = np.empty(len(points_m))
    local_x = np.empty(len(points_m))
    local_z = np.empty(len(points_m))
    row = np.empty(len(points_m), dtype=np.int64)
    for g in range(num):
        r = rotation[g]
        px, py, pz = position_m[g, 0], position_m[g, 1], position_m[g, 2]
        low, high, count = far, -far, 0
        for i in range(len(points_m)):
            dx, dy, dz = points_m[i, 0] - px, points_m[i, 1] - py, points_m[i, 2] - pz
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
            local_x[count], local_y[count], local_z[count], row[count] = x, y, z, i
            count += 1
        found[g, 0], found[g, 1] = low, high
        found[g, 2], found[g, 3] = far, -far
        for side in range(2):
            sign = 2.0 * side - 1.0
            edge = high if side else -low
            area = 0.0
            nx, ny, nz, mx, mz = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(count):
                if sign * local_y[k] < edge - give_m:
                    continue
                i = row[k]
                across = (
                    normals[i, 0] * r[0, 1] + normals[i, 1] * r[1, 1] + normals[i, 2] * r[2, 1]
                )
                if sign * across <= 0:
                    continue
                one = area_m2[i]
                area += one
                nx += one * normals[i, 0]
                ny += one * normals[i, 1]
                nz += one * normals[i, 2]
                mx += one * local_x[k]
                mz += one * local_z[k]
                found[g, 2] = min(found[g, 2], local_x[k])
                found[g, 3] = max(found[g, 3], local_x[k])
            if area > 0:
                at = 4 + 6 * side
                found[g, at] = area
                for k in range(3):
                    found[g, at + 1 + k] = nx * r[0, k] + ny * r[1, k] + nz * r[2, k]
                found[g, at + 4], found[g, at + 5] = mx / area, mz / area
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
