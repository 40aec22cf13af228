"""Cylinders: standing, lying, and of any direction that the normals speak for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, ShapeKind
from perception_stack.geometry.transforms import level_from
from perception_stack.shape.primitives.record import Fit, Seen
from perception_stack.shape.primitives.robust import (
    BIAS_M,
    SETTLED,
    covariance,
    face_variance,
    solve,
    tukey,
)
from perception_stack.shape.surfaces import SurfacePoints, merged, sheet_points

_NUM_LYING = 24
_SIDE = 0.5  # cosine of normal and axis below which a point is of the side
_CAP = 0.8
_LEAST_SIDE = 0.25  # of the points
_RADIUS_M = (0.004, 0.3)
_STEPS = 6
_RESTS = 0.25
_REST_M = 0.002
_ANY_ANGLE = np.pi**2 / 3
_UP = np.array([0.0, 0.0, 1.0])


def fit_cylinders(seen: Seen) -> list[Fit]:
    """One for each kind of axis that gives a cylinder."""
    vectors = np.linalg.eigh(seen.normals.T @ seen.normals)[1]
    yaw = np.arange(_NUM_LYING) * np.pi / _NUM_LYING
    lying = np.column_stack([np.cos(yaw), np.sin(yaw), np.zeros(_NUM_LYING)])
    free = vectors[:, :1].T * (1.0 if vectors[2, 0] >= 0 else -1.0)
    fits = []
    for axes, turns in ((_UP[None], 0), (lying, 1), (free, 2)):
        start = _start(seen, axes)
        fit = None if start is None else _refined(seen, *start, turns=turns)
        if fit is not None:
            fits.append(fit)
    return fits


def _start(seen: Seen, axes: FloatArray) -> tuple[FloatArray, FloatArray, float] | None:
    """Axis, a point on it and the radius, of the best of several axes.

    Across the axis normals point at its middle: p = c + r n, linear in c and r.
    """
    along = np.abs(seen.normals @ axes.T)
    weight = (along < _SIDE).astype(np.float64)
    num = np.maximum(weight.sum(axis=0), 1.0)
    # coordinates across each axis, as 3-D vectors: [K, N, 3]
    across = seen.points_m - (seen.points_m @ axes.T).T[..., None] * axes[:, None]
    tilt = seen.normals - (seen.normals @ axes.T).T[..., None] * axes[:, None]
    tilt /= np.maximum(np.linalg.norm(tilt, axis=2, keepdims=True), 1e-9)
    share = weight.T[..., None]
    mean_p = (across * share).sum(axis=1) / num[:, None]
    mean_n = (tilt * share).sum(axis=1) / num[:, None]
    p, n = (across - mean_p[:, None]) * share, tilt - mean_n[:, None]
    radius = (p * n).sum(axis=(1, 2)) / np.maximum((n * n * share).sum(axis=(1, 2)), 1e-9)
    center = mean_p - radius[:, None] * mean_n
    off = np.linalg.norm(across - center[:, None], axis=2) - radius[:, None]
    outside = np.minimum((off / (3 * seen.sigma_m)) ** 2, 1.0)
    cost = np.where(weight.T > 0, outside, 0.5).sum(axis=1)
    good = (radius > _RADIUS_M[0]) & (radius < _RADIUS_M[1])
    good &= num > _LEAST_SIDE * len(seen)
    if not good.any():
        return None
    best = int(np.argmin(np.where(good, cost, np.inf)))
    return axes[best], center[best], float(radius[best])


def _refined(
    seen: Seen, axis: FloatArray, center: FloatArray, radius: float, *, turns: int
) -> Fit | None:
    """Least squares over the axis (0: stays upright, 1: stays level, 2: free), middle, radius."""
    middle = seen.points_m.mean(axis=0)
    center = center + ((middle - center) @ axis) * axis
    for _ in range(_STEPS):
        u, v = _across(axis)
        away = seen.points_m - center
        height = away @ axis
        radial = away - height[:, None] * axis
        far = np.maximum(np.linalg.norm(radial, axis=1), 1e-9)
        out = radial / far[:, None]
        residual = far - radius
        side = np.abs(seen.normals @ axis) < _SIDE
        weight = np.where(side, tukey(residual / seen.sigma_m) / seen.sigma_m**2, 0.0)
        columns = [-(out @ u), -(out @ v), -np.ones(len(far))]
        if turns:  # of the axis towards u: points at a height move away against u
            columns.append(-height * (out @ u))
        if turns == 2:
            columns.append(-height * (out @ v))
        jacobian = np.column_stack(columns)
        below = center[2] - radius - seen.ground_m
        if turns == 1 and abs(below) < _RESTS * radius:
            rest = np.zeros(len(columns))
            rest[:3] = u[2], v[2], -1.0
            jacobian = np.vstack([jacobian, rest])
            residual, weight = np.append(residual, below), np.append(weight, 1 / _REST_M**2)
        step = solve(jacobian, residual, weight)
        center = center + step[0] * u + step[1] * v
        radius += float(step[2])
        if turns:
            tilt = step[3] * u + (step[4] * v if turns == 2 else 0.0)
            if not np.linalg.norm(tilt) < 0.5:
                return None
            axis = axis + tilt
            axis = axis / np.linalg.norm(axis)
        if not _RADIUS_M[0] < radius < _RADIUS_M[1]:
            return None
        if np.abs(step).max() < SETTLED:
            break
    widest = np.array([radius, radius, radius, 1.0, 1.0])[: len(columns)]
    spread = np.diag(covariance(jacobian, weight, widest))
    return _bounded(seen, axis, center, radius, spread, turns=turns)


def _bounded(
    seen: Seen,
    axis: FloatArray,
    center: FloatArray,
    radius: float,
    spread: FloatArray,
    *,
    turns: int,
) -> Fit:
    """The cylinder with its two ends."""
    if axis[2] < 0:
        axis = -axis
    u, v = _across(axis)
    rotation = np.column_stack([u, v, axis])
    height = seen.points_m @ axis
    inside = np.linalg.norm(np.cross(seen.points_m - center, axis), axis=1) < radius
    ends, variance = np.array(seen.ends(axis[:, None])).ravel(), np.full(2, seen.spacing_m**2 / 4)
    facing = seen.normals @ axis
    for k, sign in ((0, -1), (1, 1)):
        cap = inside & (sign * facing > _CAP)
        cap &= np.abs(height - ends[k]) < 4 * seen.sigma_m + seen.spacing_m
        if np.count_nonzero(cap) > 0.02 * len(seen):
            ends[k] = np.median(height[cap])
            variance[k] = face_variance(float(seen.sigma_m[cap].mean()), cap.sum())
    if turns == 0 and seen.on_ground(ends[0], ends[1]):
        ends[0], variance[0] = seen.ground_m, _REST_M**2
    mid = center @ rotation[:, :2]
    low = np.append(mid - radius, ends[0])
    high = np.append(mid + radius, ends[1])
    of_side = np.append(spread[:2] + spread[2] + BIAS_M**2, 0.0)
    of_axis = spread[3:].max() if turns else BIAS_M**2
    return Fit(
        kind=ShapeKind.CYLINDER,
        rotation=rotation,
        low_m=low,
        high_m=high,
        low_variance_m2=of_side + np.array([0.0, 0.0, variance[0]]),
        high_variance_m2=of_side + np.array([0.0, 0.0, variance[1]]),
        angle_variance=np.array([of_axis, of_axis, _ANY_ANGLE]),
        num_params=5 + turns,
        distance_m=_distance(seen.points_m, rotation, low, high),
        surface=_surface(rotation, low, high, seen.spacing_m),
    )


def _across(axis: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors across the axis and each other, right-handed; the first one level."""
    u, v, _ = level_from("", axis).rotation if axis[2] > 0.9 else _level_first(axis)
    return u, v


def _level_first(axis: FloatArray) -> NDArray[np.float64]:
    u = np.array([-axis[1], axis[0], 0.0])
    u /= np.linalg.norm(u)
    return np.stack([u, np.cross(axis, u), axis])


def _distance(
    points_m: FloatArray, rotation: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    local = points_m @ rotation - (low + high) / 2
    half = (high - low) / 2
    gap = np.column_stack(
        [np.hypot(local[:, 0], local[:, 1]) - half[0], abs(local[:, 2]) - half[2]]
    )
    distance: FloatArray = np.linalg.norm(np.maximum(gap, 0), axis=1) + np.minimum(
        gap.max(axis=1), 0
    )
    return distance


def _surface(
    rotation: FloatArray, low: FloatArray, high: FloatArray, spacing_m: float
) -> SurfacePoints:
    half = (high - low) / 2
    radius, height = half[0], 2 * half[2]
    wall, area = sheet_points((2 * np.pi * radius, height), spacing_m)
    angle = wall[:, 0] / radius
    out = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(len(wall))])
    parts = [
        SurfacePoints(
            points_m=out * [radius, radius, 0] + np.column_stack([0 * wall, wall[:, 1]]),
            normals=out,
            area_m2=np.full(len(wall), area),
        )
    ]
    disc, area = sheet_points((2 * radius, 2 * radius), spacing_m)
    disc = disc[np.linalg.norm(disc, axis=1) < radius]
    for sign in (-1.0, 1.0):
        parts.append(
            SurfacePoints(
                points_m=np.column_stack([disc, np.full(len(disc), sign * half[2])]),
                normals=np.tile([0.0, 0.0, sign], (len(disc), 1)),
                area_m2=np.full(len(disc), area),
            )
        )
    whole = merged(*parts)
    middle = rotation @ ((low + high) / 2)
    return SurfacePoints(
        points_m=whole.points_m @ rotation.T + middle,
        normals=whole.normals @ rotation.T,
        area_m2=whole.area_m2,
    )
