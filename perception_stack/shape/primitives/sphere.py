"""Balls."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray, ShapeKind
from perception_stack.shape.primitives.record import Fit, Seen
from perception_stack.shape.primitives.robust import (
    BIAS_M,
    SETTLED,
    covariance,
    face_variance,
    solve,
    tukey,
)
from perception_stack.shape.surfaces import SurfacePoints

_RADIUS_M = (0.004, 0.3)
_STEPS = 8
_RESTS = 0.25  # of the radius: nearer to the support than this it lies on it
_REST_M = 0.002
_ANY_ANGLE = np.pi**2 / 3


def fit_sphere(seen: Seen) -> Fit | None:
    """The ball nearest to the points; None where it would be no ball to be grasped.

    It starts from normals, which point at the centre: p = c + r n.
    """
    points, normals = seen.points_m, seen.normals
    spread = points - points.mean(axis=0)
    tilt = normals - normals.mean(axis=0)
    radius = float((spread * tilt).sum() / max((tilt * tilt).sum(), 1e-9))
    if not _RADIUS_M[0] < radius < _RADIUS_M[1]:
        return None
    center = points.mean(axis=0) - radius * normals.mean(axis=0)
    for _ in range(_STEPS):
        away = points - center
        far = np.maximum(np.linalg.norm(away, axis=1), 1e-9)
        jacobian = np.column_stack([-away / far[:, None], -np.ones(len(far))])
        residual = far - radius
        weight = tukey(residual / seen.sigma_m) / seen.sigma_m**2
        below = center[2] - radius - seen.ground_m
        if abs(below) < _RESTS * radius:  # False for NaN
            jacobian = np.vstack([jacobian, [0.0, 0.0, 1.0, -1.0]])
            residual, weight = np.append(residual, below), np.append(weight, 1 / _REST_M**2)
        step = solve(jacobian, residual, weight)
        center, radius = center + step[:3], radius + step[3]
        if not _RADIUS_M[0] < radius < _RADIUS_M[1]:
            return None
        if np.abs(step).max() < SETTLED:
            break
    spread = np.diag(covariance(jacobian, weight, np.full(4, radius)))
    ends = spread[:3] + spread[3] + BIAS_M**2
    distance_m = np.linalg.norm(points - center, axis=1) - radius
    return Fit(
        kind=ShapeKind.SPHERE,
        rotation=np.eye(3),
        low_m=center - radius,
        high_m=center + radius,
        low_variance_m2=ends,
        high_variance_m2=ends + face_variance(0.0, 1),
        angle_variance=np.full(3, _ANY_ANGLE),
        num_params=4,
        distance_m=distance_m,
        surface=_surface(center, radius, seen.spacing_m),
    )


def _surface(center: FloatArray, radius: float, spacing_m: float) -> SurfacePoints:
    """Points along a spiral (Saff and Kuijlaars 1997)."""
    area = 4 * np.pi * radius**2
    num = max(int(area / spacing_m**2), 40)
    z = 1 - (2 * np.arange(num) + 1) / num
    angle = np.arange(num) * np.pi * (3 - np.sqrt(5))
    level = np.sqrt(1 - z * z)
    normals = np.column_stack([level * np.cos(angle), level * np.sin(angle), z])
    return SurfacePoints(
        points_m=center + radius * normals, normals=normals, area_m2=np.full(num, area / num)
    )
