"""Compiled loops over poses, model points and pixels; imported when first used.

A depth map is float32 [H, W], NaN where nothing was measured, of a camera without distortion whose
``pinhole`` is float64 [4]: fx, fy, cx, cy.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code

DepthMap = NDArray[np.float32]

_free = partial(machine_code, nogil=True)

_GRAZING = 0.12  # cosine; surfaces seen flatter than this are measured badly or not at all
_FIRST_LOOK = 20  # points after which a pose that is contradicted is given up
_CELL, _DEEPER = 1.5, 2.5  # in spacings of the model's points
_RIM_STEP = 2  # cells outwards
_LIKE = 0.86  # cosine between normals of one surface
_UNLIKE = 0.6  # and of two that cannot be the same

LEAST_NOISE = 0.3  # of that at 1 m

NUM_SUMS = 9
CONFIRMED, VIOLATED, HIDDEN, UNMEASURED, FACING, GAP, UNLIKE, RIM, CONTINUED = range(NUM_SUMS)
"""Columns of what :func:`judge_poses` sums up."""


@_free
def estimate_normals(  # noqa: PLR0915
    depth: DepthMap, pinhole: FloatArray, radius_m: float, stride: int
) -> NDArray[np.float32]:
    """Unit normals towards the camera at every n-th pixel, NaN where there is no surface.

    The inverse depth of a plane is linear in the pixel, so three sums give the plane.

    Returns:
        float32 [ceil(H / stride), ceil(W / stride), 3].
    """
    height, width = depth.shape
    fx, fy, cx, cy = pinhole
    rows, cols = (height + stride - 1) // stride, (width + stride - 1) // stride
    normals = np.full((rows, cols, 3), np.nan, dtype=np.float32)
    for r in range(rows):
        for c in range(cols):
            v0, u0 = r * stride, c * stride
            z0 = depth[v0, u0]
            if not z0 > 0:
                continue
            reach = min(max(int(fx * radius_m / z0), 2), 24)
            step = max(reach // 3, 1)
            limit = 1.5 * radius_m
            n = 0
            suu = suv = svv = su = sv = sw = suw = svw = 0.0
            for dv in range(-reach, reach + 1, step):
                v = v0 + dv
                if v < 0 or v >= height:
                    continue
                for du in range(-reach, reach + 1, step):
                    u = u0 + du
                    if u < 0 or u >= width:
                        continue
                    z = depth[v, u]
                    if not abs(z - z0) < limit:
                        continue
                    w = 1.0 / z
                    n += 1
                    su += du
                    sv += dv
                    suu += du * du
                    suv += du * dv
                    svv += dv * dv
                    sw += w
                    suw += du * w
                    svw += dv * w
            if n < 8:
                continue
            suu -= su * su / n
            suv -= su * sv / n
            svv -= sv * sv / n
            suw -= su * sw / n
            svw -= sv * sw / n
            det = suu * svv - suv * suv
            if det <= 1e-9:
                continue
            a = (svv * suw - suv * svw) / det
            b = (suu * svw - suv * suw) / det
            w0 = sw / n - a * su / n - b * sv / n
            # 1 = z (a (u - u0) + b (v - v0) + w0) with u = fx x / z + cx
            nx, ny = a * fx, b * fy
            nz = w0 + a * (cx - u0) + b * (cy - v0)
            norm = np.sqrt(nx * nx + ny * ny + nz * nz)
            normals[r, c, 0] = -nx / norm
            normals[r, c, 1] = -ny / norm
            normals[r, c, 2] = -nz / norm
    return normals


@machine_code
def _frame_about(normal: FloatArray, frame: FloatArray) -> None:
    """A rotation whose third column is the normal, written into frame [3, 3]."""
    x, y, z = normal
    s = 1.0 if z >= 0 else -1.0
    a = -1.0 / (s + z)
    b = x * y * a
    frame[0, 0], frame[1, 0], frame[2, 0] = 1.0 + s * x * x * a, s * b, -s * x
    frame[0, 1], frame[1, 1], frame[2, 1] = b, s + y * y * a, -y
    frame[0, 2], frame[1, 2], frame[2, 2] = x, y, z


@_free
def contact_poses(
    seed_m: FloatArray,
    seed_normal: FloatArray,
    contacts_m: FloatArray,
    contact_normals: FloatArray,
    num_turns: int,
) -> FloatArray:
    """Poses [M * num_turns, 4, 4] that lay each of M model points on a seen point, all around."""
    num = len(contacts_m)
    poses = np.zeros((num * num_turns, 4, 4))
    scene, model = np.empty((3, 3)), np.empty((3, 3))
    _frame_about(seed_normal, scene)
    for m in range(num):
        _frame_about(contact_normals[m], model)
        for k in range(num_turns):
            angle = 2 * np.pi * k / num_turns
            c, s = np.cos(angle), np.sin(angle)
            p = poses[m * num_turns + k]
            for i in range(3):
                x = scene[i, 0] * c + scene[i, 1] * s
                y = scene[i, 1] * c - scene[i, 0] * s
                for j in range(3):
                    p[i, j] = x * model[j, 0] + y * model[j, 1] + scene[i, 2] * model[j, 2]
                p[i, 3] = seed_m[i] - (
                    p[i, 0] * contacts_m[m, 0]
                    + p[i, 1] * contacts_m[m, 1]
                    + p[i, 2] * contacts_m[m, 2]
                )
            p[3, 3] = 1.0
    return poses


@_free
def glance_poses(  # noqa: PLR0917
    poses: FloatArray,
    points: FloatArray,
    normals: FloatArray,
    depth: DepthMap,
    pinhole: FloatArray,
    tolerance_m: float,
) -> FloatArray:
    """How well poses agree with the depth map, [H]; what hides itself is not looked at."""
    height, width = depth.shape
    fx, fy, cx, cy = pinhole
    result = np.zeros(len(poses))
    for h in range(len(poses)):
        p = poses[h]
        good = bad = total = 0.0
        for m in range(len(points)):
            a, b, c = normals[m]
            nx = p[0, 0] * a + p[0, 1] * b + p[0, 2] * c
            ny = p[1, 0] * a + p[1, 1] * b + p[1, 2] * c
            nz = p[2, 0] * a + p[2, 1] * b + p[2, 2] * c
            a, b, c = points[m]
            x = p[0, 0] * a + p[0, 1] * b + p[0, 2] * c + p[0, 3]
            y = p[1, 0] * a + p[1, 1] * b + p[1, 2] * c + p[1, 3]
            z = p[2, 0] * a + p[2, 1] * b + p[2, 2] * c + p[2, 3]
            if z <= 0.01:
                bad += 1.0
                total += 1.0
                continue
            cosine = -(nx * x + ny * y + nz * z) / np.sqrt(x * x + y * y + z * z)
            if cosine < _GRAZING:
                continue
            u, v = int(fx * x / z + cx + 0.5), int(fy * y / z + cy + 0.5)
            total += cosine
            if u < 0 or v < 0 or u >= width or v >= height:
                continue
            gap = depth[v, u] - z
            if gap > tolerance_m:
                bad += cosine
            elif gap > -tolerance_m:
                good += cosine
            if m == _FIRST_LOOK and bad >= good:
                total = 0.0
                break
        result[h] = (good - bad) / total if total > 0 else -1.0
    return result


@_free
def judge_poses(  # noqa: PLR0912, PLR0915, PLR0917
    poses: FloatArray,
    points: FloatArray,
    normals: FloatArray,
    spacing_m: float,
    diameter_m: float,
    depth: DepthMap,
    pinhole: FloatArray,
    seen_normals: NDArray[np.float32],
    stride: int,
    least_tolerance_m: float,
    noise_m: float,
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
    height, width = depth.shape
    fx, fy, cx, cy = pinhole
    sums = np.zeros((len(poses), NUM_SUMS))
    num = len(points)
    cell_m = _CELL * spacing_m
    reach = int(np.ceil(diameter_m / cell_m)) + 2 * _RIM_STEP
    side = 2 * reach + 1
    nearest = np.empty((side, side))
    row_of = np.empty((side, side), dtype=np.int32)
    placed, turned = np.empty((num, 3)), np.empty((num, 3))
    cells = np.empty((num, 2), dtype=np.int32)
    for h in range(len(poses)):
        p = poses[h]
        nearest[:] = np.inf
        row_of[:] = -1
        mx = my = mz = 0.0
        for m in range(num):
            a, b, c = points[m]
            for i in range(3):
                placed[m, i] = p[i, 0] * a + p[i, 1] * b + p[i, 2] * c + p[i, 3]
            mx += placed[m, 0]
            my += placed[m, 1]
            mz += placed[m, 2]
        mx, my, mz = mx / num, my / num, mz / num
        spread_m = noise_m * max(mz * mz, LEAST_NOISE)
        tolerance_m = np.sqrt(least_tolerance_m**2 + spread_m**2)
        if mz <= diameter_m / 2:
            sums[h, FACING] = sums[h, VIOLATED] = 1.0
            continue
        for m in range(num):
            z = placed[m, 2]
            cells[m, 0] = int(np.floor((placed[m, 0] / z - mx / mz) * mz / cell_m + 0.5)) + reach
            cells[m, 1] = int(np.floor((placed[m, 1] / z - my / mz) * mz / cell_m + 0.5)) + reach
            cells[m, 0] = min(max(cells[m, 0], 0), side - 1)
            cells[m, 1] = min(max(cells[m, 1], 0), side - 1)
            if z < nearest[cells[m, 0], cells[m, 1]]:
                nearest[cells[m, 0], cells[m, 1]] = z
                row_of[cells[m, 0], cells[m, 1]] = m
        num_close = 0
        for m in range(num):
            x, y, z = placed[m]
            a, b, c = normals[m]
            for i in range(3):
                turned[m, i] = p[i, 0] * a + p[i, 1] * b + p[i, 2] * c
            length = np.sqrt(x * x + y * y + z * z)
            cosine = -(turned[m, 0] * x + turned[m, 1] * y + turned[m, 2] * z) / length
            if cosine < _GRAZING or z > nearest[cells[m, 0], cells[m, 1]] + _DEEPER * spacing_m:
                continue
            sums[h, FACING] += cosine
            u, v = int(np.floor(fx * x / z + cx + 0.5)), int(np.floor(fy * y / z + cy + 0.5))
            if u < 0 or v < 0 or u >= width or v >= height:
                sums[h, UNMEASURED] += cosine
                continue
            gap = depth[v, u] - z
            if np.isnan(gap):
                sums[h, UNMEASURED] += cosine
            elif gap > tolerance_m:
                sums[h, VIOLATED] += cosine
            elif gap < -tolerance_m:
                sums[h, HIDDEN] += cosine
            else:
                sums[h, GAP] += gap * gap
                num_close += 1
                sums[h, CONFIRMED] += cosine * (1 - (gap / tolerance_m) ** 2)
                s = seen_normals[v // stride, u // stride]
                like = s[0] * turned[m, 0] + s[1] * turned[m, 1] + s[2] * turned[m, 2]
                if like < _UNLIKE:
                    sums[h, UNLIKE] += cosine
        if num_close > 0:
            sums[h, GAP] = np.sqrt(sums[h, GAP] / num_close) / tolerance_m
        # beyond the outline there must be something else
        for i in range(_RIM_STEP, side - _RIM_STEP):
            for j in range(_RIM_STEP, side - _RIM_STEP):
                m = row_of[i, j]
                if m < 0:
                    continue
                for k in range(4):
                    di = 1 if k == 0 else (-1 if k == 1 else 0)
                    dj = 1 if k == 2 else (-1 if k == 3 else 0)
                    if row_of[i + di, j + dj] >= 0:
                        continue
                    if row_of[i + _RIM_STEP * di, j + _RIM_STEP * dj] >= 0:
                        continue
                    x, y, z = placed[m]
                    rx = x / z + _RIM_STEP * di * cell_m / mz
                    ry = y / z + _RIM_STEP * dj * cell_m / mz
                    u, v = int(np.floor(fx * rx + cx + 0.5)), int(np.floor(fy * ry + cy + 0.5))
                    if u < 0 or v < 0 or u >= width or v >= height:
                        continue
                    un = int(np.floor(fx * x / z + cx + 0.5))
                    vn = int(np.floor(fy * y / z + cy + 0.5))
                    if un < 0 or vn < 0 or un >= width or vn >= height:
                        continue
                    d, dn = depth[v, u], depth[vn, un]
                    # only a rim that is seen says something, and only where nothing hides it
                    if not abs(dn - z) < tolerance_m or not d > z - 3 * tolerance_m:
                        continue
                    sums[h, RIM] += 1
                    # how far the surface seen there is off the plane of that seen here
                    s, t = (
                        seen_normals[v // stride, u // stride],
                        seen_normals[vn // stride, un // stride],
                    )
                    like = s[0] * t[0] + s[1] * t[1] + s[2] * t[2]
                    off = (
                        t[0] * (rx * d - x / z * dn)
                        + t[1] * (ry * d - y / z * dn)
                        + t[2] * (d - dn)
                    )
                    if like > _LIKE and abs(off) < tolerance_m:
                        sums[h, CONTINUED] += 1
    return sums
