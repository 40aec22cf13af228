"""Prisms of any outline: what is seen from above, cut off by the support.

The heights over a grid of cells; each cell is filled down to the support. It says nothing of what
hangs over, but it has no more than the outline of what was seen, whatever that is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, ShapeKind
from perception_stack.shape.primitives.record import Fit, Seen
from perception_stack.shape.surfaces import SurfacePoints, merged

_MOST_CELLS = 200
_STEP_CELLS = 1.5  # a neighbour lower by more begins a wall
_SMOOTH_CELLS = 1.5
_REST_M = 0.002


def fit_prism(seen: Seen) -> Fit | None:
    """Heights of all that is seen; None where no support is known below."""
    import cv2

    cell = seen.spacing_m
    low, high = seen.raw_m.min(axis=0), seen.raw_m.max(axis=0)
    shape = np.ceil((high[:2] - low[:2]) / cell).astype(int) + 7
    bottom_m = seen.ground_m if seen.on_ground(low[2], high[2]) else low[2]
    if not np.isfinite(seen.ground_m) or shape.max() > _MOST_CELLS:
        return None
    origin = low[:2] - 3 * cell
    i, j = ((seen.raw_m[:, :2] - origin) / cell).astype(int).T
    top = np.zeros(tuple(shape))
    # points of one cell below its highest are those of a wall
    np.maximum.at(top, (i, j), seen.raw_m[:, 2] - bottom_m)
    count = np.zeros(tuple(shape))
    np.add.at(count, (i, j), 1)
    solid = cv2.morphologyEx(
        (count > 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)
    )
    filled = cv2.morphologyEx(top.astype(np.float32), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    height = np.where((count == 0) & (solid > 0), filled, top).astype(np.float64)
    surface = _surface(height, origin, bottom_m, cell)
    if surface is None:
        return None
    from scipy.spatial import cKDTree

    near = cKDTree(surface.points_m).query(seen.points_m)[1]
    gap = seen.points_m - surface.points_m[near]
    # the cells are no finer: within one, the distance along the normal is what counts
    distance_m = np.einsum("ni,ni->n", gap, surface.normals[near])
    across = np.linalg.norm(gap - distance_m[:, None] * surface.normals[near], axis=1)
    distance_m = np.hypot(distance_m, np.maximum(across - cell, 0))
    ends = np.array([[*low[:2], bottom_m], [*high[:2], high[2]]])
    of_cell = cell**2 / 4
    outline = (height > 0) & (cv2.erode((height > 0).astype(np.uint8), np.ones((3, 3))) == 0)
    return Fit(
        kind=ShapeKind.PRISM,
        rotation=np.eye(3),
        low_m=ends[0],
        high_m=ends[1],
        low_variance_m2=np.array([of_cell, of_cell, _REST_M**2]),
        high_variance_m2=np.array([of_cell, of_cell, float(seen.sigma_m.mean()) ** 2]),
        angle_variance=np.full(3, _REST_M),
        num_params=int(outline.sum()),
        distance_m=distance_m,
        surface=surface,
    )


def _surface(
    height: FloatArray, origin: FloatArray, bottom_m: float, cell: float
) -> SurfacePoints | None:
    """Tops, bottoms, and walls where a neighbour is lower."""
    import cv2

    i, j = np.nonzero(height > 0)
    if not len(i):
        return None
    x, y = origin[0] + (i + 0.5) * cell, origin[1] + (j + 0.5) * cell
    flat = np.zeros(len(i))
    area = np.full(len(i), cell**2)
    parts = [
        SurfacePoints(
            points_m=np.column_stack([x, y, z]),
            normals=np.column_stack([flat, flat, flat + sign]),
            area_m2=area,
        )
        for z, sign in ((bottom_m + height[i, j], 1.0), (flat + bottom_m, -1.0))
    ]
    smooth = cv2.GaussianBlur(height, (0, 0), _SMOOTH_CELLS)
    slope = -np.stack(np.gradient(smooth), axis=-1)
    for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        beside = height[i + di, j + dj]
        step = height[i, j] - beside
        wall = step > _STEP_CELLS * cell
        num = np.ceil(step[wall] / cell).astype(int)
        rows = np.repeat(np.flatnonzero(wall), num)
        level = _counted(num)
        part = (level + 0.5) / np.repeat(num, num)
        z = bottom_m + beside[rows] + part * step[rows]
        out = slope[i[rows], j[rows]] + slope[i[rows] + di, j[rows] + dj]
        out = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
        facing = np.abs(out @ np.array([di, dj], dtype=np.float64))
        good = out @ np.array([di, dj], dtype=np.float64) > 0.1
        parts.append(
            SurfacePoints(
                points_m=np.column_stack([x[rows] + di * cell / 2, y[rows] + dj * cell / 2, z])[
                    good
                ],
                normals=np.column_stack([out, np.zeros(len(out))])[good],
                area_m2=(cell * step[rows] / np.repeat(num, num) * facing)[good],
            )
        )
    return merged(*parts)


def _counted(num: NDArray[np.int64]) -> NDArray[np.int64]:
    """0 to n - 1 for each n, one after the other."""
    return np.arange(num.sum()) - np.repeat(np.cumsum(num) - num, num)
