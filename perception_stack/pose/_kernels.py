"""Compiled loops over poses, model points and pixels; imported when first used.

A depth map is float32 [H, W], NaN where nothing was measured, of a camera without distortion whose
``pinhole`` is float64 [4]: fx, fy, cx, cy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import free, machine_code

DepthMap = NDArray[np.float32]

GRAZING = 0.12  # cosine; surfaces seen flatter than this are measured badly or not at all
_FIRST_LOOK = 20  # points after which a pose that is contradicted is given up


@free
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


@free
def rows_within(points_m: FloatArray, middle_m: FloatArray, reach_m: float) -> NDArray[np.intp]:
    """Rows of the points that are at most so far from a place, rising."""
    rows = np.empty(len(points_m), dtype=np.intp)
    num = 0
    x, y, z = middle_m
    for n in range(len(points_m)):
        dx, dy, dz = points_m[n, 0] - x, points_m[n, 1] - y, points_m[n, 2] - z
        rows[num] = n
        num += dx * dx + dy * dy + dz * dz <= reach_m * reach_m
    return rows[:num]


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


@free
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


@free
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
        # where the camera is, as the model sees it
        ex = -(p[0, 0] * p[0, 3] + p[1, 0] * p[1, 3] + p[2, 0] * p[2, 3])
        ey = -(p[0, 1] * p[0, 3] + p[1, 1] * p[1, 3] + p[2, 1] * p[2, 3])
        ez = -(p[0, 2] * p[0, 3] + p[1, 2] * p[1, 3] + p[2, 2] * p[2, 3])
        for m in range(len(points)):
            if m == _FIRST_LOOK and bad >= good:
                total = 0.0
                break
            a, b, c = points[m]
            dx, dy, dz = ex - a, ey - b, ez - c
            towards = normals[m, 0] * dx + normals[m, 1] * dy + normals[m, 2] * dz
            if towards <= 0.0:
                continue
            z = p[2, 0] * a + p[2, 1] * b + p[2, 2] * c + p[2, 3]
            if z <= 0.01:
                bad += 1.0
                total += 1.0
                continue
            cosine = towards / np.sqrt(dx * dx + dy * dy + dz * dz)
            if cosine < GRAZING:
                continue
            x = p[0, 0] * a + p[0, 1] * b + p[0, 2] * c + p[0, 3]
            y = p[1, 0] * a + p[1, 1] * b + p[1, 2] * c + p[1, 3]
            u, v = int(fx * x / z + cx + 0.5), int(fy * y / z + cy + 0.5)
            total += cosine
            if u < 0 or v < 0 or u >= width or v >= height:
                continue
            gap = depth[v, u] - z
            if gap > tolerance_m:
                bad += cosine
            elif gap > -tolerance_m:
                good += cosine
        result[h] = (good - bad) / total if total > 0 else -1.0
    return result
