"""Compiled: a pose drawn into the depth map, and what is seen at each of its points summed up.

Imported when first used. What belongs together comes as a tuple, named below, because compiled
functions take no objects.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import free, machine_code
from perception_stack.pose._kernels import GRAZING, DepthMap
from perception_stack.pose.region import LEAST_NOISE

_CELL, _DEEPER = 1.5, 2.5  # in spacings of the model's points
_RIM_STEP = 2  # cells outwards
_LIKE = 0.86  # cosine between normals of one surface
_UNLIKE = 0.6  # and of two that cannot be the same
_RIM_REACH = 3  # tolerances by which what is beyond the outline may be nearer

NUM_SUMS = 9
CONFIRMED, VIOLATED, HIDDEN, UNMEASURED, FACING, GAP, UNLIKE, RIM, CONTINUED = range(NUM_SUMS)
"""Columns of what :func:`judge_poses` sums up."""

Vector = tuple[float, float, float]
Model = tuple[FloatArray, FloatArray, float, float]
"""Points [M, 3], normals [M, 3], distance of neighbouring points, diameter."""
View = tuple[DepthMap, FloatArray, NDArray[np.float32], int]
"""Depth map, pinhole, normals of every n-th pixel, n."""
Drawn = tuple[FloatArray, FloatArray, NDArray[np.int32], FloatArray, NDArray[np.int32]]
"""Of one pose: points [M, 3], normals [M, 3], cells [M, 2] of the points; depth of the nearest
point in each cell of the z-buffer [S, S], inf where there is none, and its row, else -1."""


@free
def judge_poses(
    poses: FloatArray, model: Model, view: View, least_tolerance_m: float, noise_m: float
) -> FloatArray:
    """What the depth map says to each point of the model that should be visible, summed.

    Points count as much as the area they show. What nearer points of the same pose hide is found
    by a z-buffer with cells wide enough that a closed surface leaves none empty. The tolerance of
    depths is made of a constant and of noise that grows with the square of the depth.

    Returns:
        float64 [H, NUM_SUMS]: agreement of the confirmed; violated (the camera looked through
        them); hidden; unmeasured; all that face the camera; RMS of the gaps of those within the
        tolerance, over the tolerance; confirmed in place but not in direction; steps across
        the outline; those of them beyond which the same surface goes on.
    """
    points, normals, spacing_m, diameter_m = model
    num = len(points)
    cell_m = _CELL * spacing_m
    side = 2 * (int(np.ceil(diameter_m / cell_m)) + 2 * _RIM_STEP) + 1
    drawn = (
        np.empty((num, 3)),
        np.empty((num, 3)),
        np.empty((num, 2), dtype=np.int32),
        np.empty((side, side)),
        np.empty((side, side), dtype=np.int32),
    )
    sums = np.zeros((len(poses), NUM_SUMS))
    for h in range(len(poses)):
        middle = _place(poses[h], points, normals, drawn)
        depth_m = middle[2]
        if depth_m <= diameter_m / 2:
            sums[h, FACING] = sums[h, VIOLATED] = 1.0
            continue
        spread_m = noise_m * max(depth_m * depth_m, LEAST_NOISE)
        tolerance_m = np.sqrt(least_tolerance_m**2 + spread_m**2)
        _draw(drawn, middle, cell_m)
        _sum_points(sums[h], drawn, view, _DEEPER * spacing_m, tolerance_m)
        _sum_outline(sums[h], drawn, view, _RIM_STEP * cell_m / depth_m, tolerance_m)
    return sums


@machine_code
def _place(pose: FloatArray, points: FloatArray, normals: FloatArray, drawn: Drawn) -> Vector:
    """Points and normals under a pose; returns the mean of the points."""
    placed, turned = drawn[0], drawn[1]
    num = len(points)
    mx = my = mz = 0.0
    for m in range(num):
        a, b, c = points[m, 0], points[m, 1], points[m, 2]
        d, e, f = normals[m, 0], normals[m, 1], normals[m, 2]
        for i in range(3):
            placed[m, i] = pose[i, 0] * a + pose[i, 1] * b + pose[i, 2] * c + pose[i, 3]
            turned[m, i] = pose[i, 0] * d + pose[i, 1] * e + pose[i, 2] * f
        mx += placed[m, 0]
        my += placed[m, 1]
        mz += placed[m, 2]
    return mx / num, my / num, mz / num


@machine_code
def _draw(drawn: Drawn, middle: Vector, cell_m: float) -> None:
    """Fill the z-buffer, whose middle is where the object's middle is seen."""
    placed, _, cells, nearest, row_of = drawn
    mx, my, mz = middle
    last = len(nearest) - 1
    nearest[:] = np.inf
    row_of[:] = -1
    for m in range(len(placed)):
        z = placed[m, 2]
        i = int(np.floor((placed[m, 0] / z - mx / mz) * mz / cell_m + 0.5)) + last // 2
        j = int(np.floor((placed[m, 1] / z - my / mz) * mz / cell_m + 0.5)) + last // 2
        i, j = min(max(i, 0), last), min(max(j, 0), last)
        cells[m, 0], cells[m, 1] = i, j
        if z < nearest[i, j]:
            nearest[i, j] = z
            row_of[i, j] = m


@machine_code
def _sum_points(
    sums: FloatArray, drawn: Drawn, view: View, deeper_m: float, tolerance_m: float
) -> None:
    """Add what is seen at each point that no nearer one hides."""
    placed, turned, cells, nearest, _ = drawn
    depth = view[0]
    num_close = 0
    for m in range(len(placed)):
        x, y, z = placed[m, 0], placed[m, 1], placed[m, 2]
        length = np.sqrt(x * x + y * y + z * z)
        cosine = -(turned[m, 0] * x + turned[m, 1] * y + turned[m, 2] * z) / length
        if cosine < GRAZING or z > nearest[cells[m, 0], cells[m, 1]] + deeper_m:
            continue
        sums[FACING] += cosine
        v, u = _pixel_of(x, y, z, view)
        gap = depth[v, u] - z if v >= 0 else np.nan
        if np.isnan(gap):
            sums[UNMEASURED] += cosine
        elif gap > tolerance_m:
            sums[VIOLATED] += cosine
        elif gap < -tolerance_m:
            sums[HIDDEN] += cosine
        else:
            num_close += 1
            sums[GAP] += gap * gap
            sums[CONFIRMED] += cosine * (1 - (gap / tolerance_m) ** 2)
            facing = turned[m, 0], turned[m, 1], turned[m, 2]
            if _cosine(_normal_at(v, u, view), facing) < _UNLIKE:
                sums[UNLIKE] += cosine
    if num_close > 0:
        sums[GAP] = np.sqrt(sums[GAP] / num_close) / tolerance_m


@machine_code
def _sum_outline(
    sums: FloatArray, drawn: Drawn, view: View, step: float, tolerance_m: float
) -> None:
    """Add what is seen beyond the outline, where there must be something else.

    Args:
        sums: float64 [NUM_SUMS].
        drawn: The pose.
        view: The frame.
        step: How far beyond, at a depth of 1.
        tolerance_m: Of depths.
    """
    placed, row_of = drawn[0], drawn[4]
    inner = range(_RIM_STEP, len(row_of) - _RIM_STEP)
    for i in inner:
        for j in inner:
            m = row_of[i, j]
            if m < 0:
                continue
            for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                if row_of[i + di, j + dj] >= 0:
                    continue
                if row_of[i + _RIM_STEP * di, j + _RIM_STEP * dj] < 0:
                    _sum_step(sums, placed[m], (di * step, dj * step), view, tolerance_m)


@machine_code
def _sum_step(
    sums: FloatArray, rim_m: FloatArray, step: tuple[float, float], view: View, tolerance_m: float
) -> None:
    """Add what is seen one step across the outline from a point of it."""
    depth = view[0]
    z = rim_m[2]
    x_in, y_in = rim_m[0] / z, rim_m[1] / z
    x_out, y_out = x_in + step[0], y_in + step[1]
    v_in, u_in = _pixel_of(rim_m[0], rim_m[1], z, view)
    v_out, u_out = _pixel_of(x_out, y_out, 1.0, view)
    if v_in < 0 or v_out < 0:
        return
    z_in, z_out = depth[v_in, u_in], depth[v_out, u_out]
    # only a rim that is seen says something, and only where nothing hides it
    if not abs(z_in - z) < tolerance_m or not z_out > z - _RIM_REACH * tolerance_m:
        return
    sums[RIM] += 1
    inside, outside = _normal_at(v_in, u_in, view), _normal_at(v_out, u_out, view)
    # how far the surface seen there is off the plane of that seen here
    off_m = inside[0] * (x_out * z_out - x_in * z_in)
    off_m += inside[1] * (y_out * z_out - y_in * z_in) + inside[2] * (z_out - z_in)
    if _cosine(inside, outside) > _LIKE and abs(off_m) < tolerance_m:
        sums[CONTINUED] += 1


@machine_code
def _pixel_of(x: float, y: float, z: float, view: View) -> tuple[int, int]:
    """Row and column at which a point is seen; -1, -1 outside of the image."""
    depth, pinhole = view[0], view[1]
    u = int(np.floor(pinhole[0] * x / z + pinhole[2] + 0.5))
    v = int(np.floor(pinhole[1] * y / z + pinhole[3] + 0.5))
    if u < 0 or v < 0 or u >= depth.shape[1] or v >= depth.shape[0]:
        return -1, -1
    return v, u


@machine_code
def _normal_at(v: int, u: int, view: View) -> Vector:
    """The normal measured at a pixel; NaN where there is no surface."""
    _, _, normals, stride = view
    normal = normals[v // stride, u // stride]
    return normal[0], normal[1], normal[2]


@machine_code
def _cosine(one: Vector, other: Vector) -> float:
    """Of the angle between two unit vectors."""
    return float(one[0] * other[0] + one[1] * other[1] + one[2] * other[2])
