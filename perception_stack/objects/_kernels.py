"""Compiled loops over poses and seen points; imported when first used."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import free, machine_code

_RIDGE, _LEAST_RIDGE = 1e-6, 1e-12

Grid = tuple[FloatArray, FloatArray, FloatArray, float, NDArray[np.int64], NDArray[np.int32]]
"""Points [M, 3], normals [M, 3], low corner [3], side of a cell, cells along each axis [3], row
of the point nearest to the middle of each cell."""


@machine_code
def nearest_row(x: float, y: float, z: float, grid: Grid) -> int:
    """Row of the surface point nearest to a place, to within a cell."""
    _, _, low, cell, shape, index = grid
    i = min(max(int((x - low[0]) / cell), 0), shape[0] - 1)
    j = min(max(int((y - low[1]) / cell), 0), shape[1] - 1)
    k = min(max(int((z - low[2]) / cell), 0), shape[2] - 1)
    return int(index[(i * shape[1] + j) * shape[2] + k])


@machine_code
def solve_6(a: FloatArray, b: FloatArray) -> None:
    """Solve a symmetric positive system by Cholesky's method; the answer is written into b."""
    for i in range(6):
        for j in range(i + 1):
            s = a[i, j]
            for k in range(j):
                s -= a[i, k] * a[j, k]
            if i == j:
                a[i, i] = np.sqrt(max(s, 1e-30))
            else:
                a[i, j] = s / a[j, j]
    for i in range(6):
        for k in range(i):
            b[i] -= a[i, k] * b[k]
        b[i] /= a[i, i]
    for i in range(5, -1, -1):
        for k in range(i + 1, 6):
            b[i] -= a[k, i] * b[k]
        b[i] /= a[i, i]


@machine_code
def step_pose(pose: FloatArray, step: FloatArray) -> None:
    """Right-multiply a pose by the inverse of the motion exp(step) of points in its frame."""
    angle = np.sqrt(step[3] ** 2 + step[4] ** 2 + step[5] ** 2)
    s = 1.0 if angle < 1e-9 else np.sin(angle) / angle
    c = 0.5 if angle < 1e-9 else (1 - np.cos(angle)) / angle**2
    x, y, z = step[3], step[4], step[5]
    # the transpose of Rodrigues' matrix
    turn = np.empty((3, 3))
    turn[0, 0] = 1 - c * (y * y + z * z)
    turn[1, 1] = 1 - c * (x * x + z * z)
    turn[2, 2] = 1 - c * (x * x + y * y)
    turn[0, 1] = c * x * y + s * z
    turn[1, 0] = c * x * y - s * z
    turn[0, 2] = c * x * z - s * y
    turn[2, 0] = c * x * z + s * y
    turn[1, 2] = c * y * z + s * x
    turn[2, 1] = c * y * z - s * x
    row = np.empty(3)
    for i in range(3):
        for j in range(3):
            row[j] = pose[i, 0] * turn[0, j] + pose[i, 1] * turn[1, j] + pose[i, 2] * turn[2, j]
        pose[i, 3] -= row[0] * step[0] + row[1] * step[1] + row[2] * step[2]
        for j in range(3):
            pose[i, j] = row[j]


@free
def align_poses(  # noqa: PLR0917
    poses: FloatArray,
    seen_m: FloatArray,
    seen_normals: FloatArray,
    grid: Grid,
    limits_m: FloatArray,
    least_cosine: float,
) -> None:
    """Iterative closest point for each of H poses, which are changed in place.

    Args:
        poses: float64 [H, 4, 4], scene from model.
        seen_m: float64 [N, 3].
        seen_normals: float64 [N, 3]; [0, 3] if all sides of the model count.
        grid: The model.
        limits_m: float64 [K], distance from which a point counts nothing, by iteration.
        least_cosine: Between normals of one surface.
    """
    points, normals = grid[0], grid[1]
    one_sided = len(seen_normals) > 0
    a, b, row = np.empty((6, 6)), np.empty(6), np.empty(6)
    for h in range(len(poses)):
        p = poses[h]
        for limit in limits_m:
            a[:] = 0.0
            b[:] = 0.0
            ex = -(p[0, 0] * p[0, 3] + p[1, 0] * p[1, 3] + p[2, 0] * p[2, 3])
            ey = -(p[0, 1] * p[0, 3] + p[1, 1] * p[1, 3] + p[2, 1] * p[2, 3])
            ez = -(p[0, 2] * p[0, 3] + p[1, 2] * p[1, 3] + p[2, 2] * p[2, 3])
            for n in range(len(seen_m)):
                dx, dy, dz = seen_m[n, 0], seen_m[n, 1], seen_m[n, 2]
                x = p[0, 0] * dx + p[1, 0] * dy + p[2, 0] * dz + ex
                y = p[0, 1] * dx + p[1, 1] * dy + p[2, 1] * dz + ey
                z = p[0, 2] * dx + p[1, 2] * dy + p[2, 2] * dz + ez
                m = nearest_row(x, y, z, grid)
                ox, oy, oz = x - points[m, 0], y - points[m, 1], z - points[m, 2]
                share = 1 - (ox * ox + oy * oy + oz * oz) / (limit * limit)
                if share <= 0:
                    continue
                nx, ny, nz = normals[m, 0], normals[m, 1], normals[m, 2]
                if one_sided:
                    if nx * (x - ex) + ny * (y - ey) + nz * (z - ez) >= 0:
                        continue
                    dx, dy, dz = seen_normals[n, 0], seen_normals[n, 1], seen_normals[n, 2]
                    cosine = nx * (p[0, 0] * dx + p[1, 0] * dy + p[2, 0] * dz)
                    cosine += ny * (p[0, 1] * dx + p[1, 1] * dy + p[2, 1] * dz)
                    cosine += nz * (p[0, 2] * dx + p[1, 2] * dy + p[2, 2] * dz)
                    if cosine < least_cosine:
                        continue
                weight = share * share
                gap = ox * nx + oy * ny + oz * nz
                row[0], row[1], row[2] = nx, ny, nz
                row[3] = y * nz - z * ny
                row[4] = z * nx - x * nz
                row[5] = x * ny - y * nx
                for i in range(6):
                    w = weight * row[i]
                    b[i] -= w * gap
                    for j in range(i + 1):
                        a[i, j] += w * row[j]
            trace = a[0, 0] + a[1, 1] + a[2, 2] + a[3, 3] + a[4, 4] + a[5, 5]
            # directions without hold stay where they are; so does a pose without points
            for i in range(6):
                a[i, i] += _RIDGE * trace + _LEAST_RIDGE
            solve_6(a, b)
            step_pose(p, b)


@free
def distances(
    poses: FloatArray, seen_m: FloatArray, grid: Grid
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Distance [H, N] of seen points from the model, and the row of the nearest model point."""
    points = grid[0]
    distance = np.empty((len(poses), len(seen_m)))
    rows = np.empty((len(poses), len(seen_m)), dtype=np.int32)
    for h in range(len(poses)):
        p = poses[h]
        for n in range(len(seen_m)):
            dx, dy, dz = seen_m[n, 0] - p[0, 3], seen_m[n, 1] - p[1, 3], seen_m[n, 2] - p[2, 3]
            x = p[0, 0] * dx + p[1, 0] * dy + p[2, 0] * dz
            y = p[0, 1] * dx + p[1, 1] * dy + p[2, 1] * dz
            z = p[0, 2] * dx + p[1, 2] * dy + p[2, 2] * dz
            m = nearest_row(x, y, z, grid)
            distance[h, n] = np.sqrt(
                (x - points[m, 0]) ** 2 + (y - points[m, 1]) ** 2 + (z - points[m, 2]) ** 2
            )
            rows[h, n] = m
    return distance, rows
