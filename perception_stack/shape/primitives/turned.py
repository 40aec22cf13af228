"""Turned bodies: bottles, cups and whatever else has a radius that changes along its axis.

It starts from a cylinder. The radius at each height is the median of the points there; with it the
axis is fitted again. To the outside it is a cylinder of the largest radius.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.shape.primitives.record import Fit, Seen
from perception_stack.shape.primitives.robust import solve, tukey
from perception_stack.shape.surfaces import SurfacePoints, merged, sheet_points

_LEAST_BINS = 4
_LEAST_POINTS = 3  # of one height
_ROUNDS = 3
_STEEPEST = 4.0  # change of radius by height; more is a step
_CAP = 0.8
_LEAST_M = 0.002


def fit_turned(seen: Seen, cylinder: Fit) -> Fit | None:
    """A turned body about nearly the axis of a cylinder; None where there is too little of it."""
    rotation = cylinder.rotation
    middle = rotation @ ((cylinder.low_m + cylinder.high_m) / 2)
    low, high = cylinder.low_m[2], cylinder.high_m[2]
    num = int((high - low) / (1.5 * seen.spacing_m))
    if num < _LEAST_BINS:
        return None
    at_m = low + (np.arange(num) + 0.5) * (high - low) / num
    for _ in range(_ROUNDS):
        axis = rotation[:, 2]
        away = seen.points_m - middle
        height = seen.points_m @ axis
        radial = away - (away @ axis)[:, None] * axis
        far = np.maximum(np.linalg.norm(radial, axis=1), 1e-9)
        side = np.abs(seen.normals @ axis) < _CAP
        profile = _profile(height[side], far[side], low, high, num)
        if profile is None:
            return None
        radius_m = profile
        residual = far - np.interp(height, at_m, radius_m)
        weight = np.where(side, tukey(residual / seen.sigma_m) / seen.sigma_m**2, 0.0)
        out = radial / far[:, None]
        u, v = rotation[:, 0], rotation[:, 1]
        arm = away @ axis
        jacobian = np.column_stack([-(out @ u), -(out @ v), -arm * (out @ u), -arm * (out @ v)])
        step = solve(jacobian, residual, weight)
        if not np.abs(step[2:]).max() < 0.5:
            return None
        middle = middle + step[0] * u + step[1] * v
        axis = axis + step[2] * u + step[3] * v
        axis /= np.linalg.norm(axis)
        v = np.cross(axis, u)
        v /= np.linalg.norm(v)
        rotation = np.column_stack([np.cross(v, axis), v, axis])
    largest = float(radius_m.max())
    center = middle @ rotation
    slope = np.gradient(radius_m, at_m)
    of_point = np.interp(height, at_m, slope)
    gap = residual / np.hypot(1.0, of_point)
    ends = np.maximum(low - height, height - high)
    cap = ~side & (far < np.interp(height, at_m, radius_m) + seen.sigma_m)
    distance_m = np.where(cap, ends, np.where(ends > 0, np.hypot(ends, np.maximum(gap, 0)), gap))
    return replace(
        cylinder,
        rotation=rotation,
        low_m=np.array([center[0] - largest, center[1] - largest, low]),
        high_m=np.array([center[0] + largest, center[1] + largest, high]),
        num_params=cylinder.num_params + num,
        distance_m=distance_m,
        surface=_surface(rotation, middle, (at_m, radius_m), (low, high), seen.spacing_m),
    )


def _profile(
    height_m: FloatArray, far_m: FloatArray, low: float, high: float, num: int
) -> FloatArray | None:
    """Median radius at each height; where there are no points, between those beside."""
    row = np.clip(((height_m - low) / (high - low) * num).astype(int), 0, num - 1)
    radius_m = np.full(num, np.nan)
    for k in range(num):
        mine = far_m[row == k]
        if len(mine) >= _LEAST_POINTS:
            radius_m[k] = np.median(mine)
    known = np.flatnonzero(np.isfinite(radius_m))
    if len(known) < _LEAST_BINS:
        return None
    return np.asarray(np.maximum(np.interp(np.arange(num), known, radius_m[known]), _LEAST_M))


def _surface(
    rotation: FloatArray,
    middle: FloatArray,
    profile: tuple[FloatArray, FloatArray],
    ends: tuple[float, float],
    spacing_m: float,
) -> SurfacePoints:
    """Rings of points, and the two discs at the ends."""
    at_m, radius_m = profile
    slope = np.clip(np.gradient(radius_m, at_m), -_STEEPEST, _STEEPEST)
    rings = max(round((ends[1] - ends[0]) / spacing_m), 2)
    height = ends[0] + (np.arange(rings) + 0.5) * (ends[1] - ends[0]) / rings
    parts: list[SurfacePoints] = []
    for h in height:
        r, tilt = float(np.interp(h, at_m, radius_m)), float(np.interp(h, at_m, slope))
        num = max(round(2 * np.pi * r / spacing_m), 6)
        angle = (np.arange(num) + 0.5 * (len(parts) % 2)) * 2 * np.pi / num
        out = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(num)])
        normals = np.column_stack([out[:, :2], np.full(num, -tilt)]) / np.hypot(1.0, tilt)
        area = 2 * np.pi * r / num * (ends[1] - ends[0]) / rings * np.hypot(1.0, tilt)
        parts.append(
            SurfacePoints(
                points_m=r * out + [0.0, 0.0, h], normals=normals, area_m2=np.full(num, area)
            )
        )
    for sign, h, r in ((-1.0, ends[0], radius_m[0]), (1.0, ends[1], radius_m[-1])):
        disc, area = sheet_points((2 * r, 2 * r), spacing_m)
        disc = disc[np.linalg.norm(disc, axis=1) < r]
        parts.append(
            SurfacePoints(
                points_m=np.column_stack([disc, np.full(len(disc), h)]),
                normals=np.tile([0.0, 0.0, sign], (len(disc), 1)),
                area_m2=np.full(len(disc), area),
            )
        )
    whole = merged(*parts)
    across = middle - (middle @ rotation[:, 2]) * rotation[:, 2]
    return SurfacePoints(
        points_m=whole.points_m @ rotation.T + across,
        normals=whole.normals @ rotation.T,
        area_m2=whole.area_m2,
    )
