"""Iterative closest point from the seen points to the model's surface (Chen and Medioni 1992).

The model is complete and never changes, so its search tree is built once; what is seen is moved.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.pose.surface import Surface

_ITERATIONS = 25
_STOP_RAD, _STOP_SHARE = 1e-4, 1e-4
_FIRST_SPACINGS, _LAST_SPACINGS = 3.0, 1.0
_UNKNOWN_RAD = np.pi / np.sqrt(3)  # standard deviation of a rotation that may be anything


def refine(model: Surface, seen_m: FloatArray, scene_from_model: FloatArray) -> FloatArray:
    """The pose at which the seen points lie best on the model, float64 [4, 4].

    Points farther from the model than a limit, which shrinks on the way, do not take part.
    """
    pose = scene_from_model.copy()
    limits = np.geomspace(_FIRST_SPACINGS, _LAST_SPACINGS, _ITERATIONS) * model.spacing_m
    for limit_m in limits:
        _, jacobian, residual = _linearised(model, seen_m, pose, limit_m)
        if len(residual) < 6:
            return pose
        step, *_ = np.linalg.lstsq(jacobian, -residual, rcond=1e-6)
        # the step moves the seen points in the model's frame, so the pose takes its inverse
        pose = pose @ np.linalg.inv(_exponential(step))
        if (
            np.linalg.norm(step[3:]) < _STOP_RAD
            and np.linalg.norm(step[:3]) < _STOP_SHARE * model.spacing_m
            and limit_m <= limits[_ITERATIONS // 2]
        ):
            break
    return pose


def covariance_of(
    model: Surface, seen_m: FloatArray, scene_from_model: FloatArray, *, noise_m: float
) -> FloatArray:
    """Covariance of a refined pose in the scene's frame, float64 [6, 6].

    Of the linearised least squares, with the variance that the residuals show but at least that
    of the sensor. Directions in which the surface gives no hold, such as the turn of a can, get
    the variance of an unknown angle or of the model's own spacing, not infinity.

    Args:
        model: The object.
        seen_m: float64 [N, 3], what is seen of it.
        scene_from_model: The refined pose.
        noise_m: Standard deviation of a seen point.
    """
    _, jacobian, residual = _linearised(
        model, seen_m, scene_from_model, _LAST_SPACINGS * model.spacing_m
    )
    variance = max(noise_m**2, float(residual @ residual) / max(len(residual) - 6, 1))
    # neighbouring pixels err together: count one measurement per model point
    information = jacobian.T @ jacobian / variance * min(1.0, len(model) / max(len(residual), 1))
    loose = 1 / np.array([model.spacing_m * 10] * 3 + [_UNKNOWN_RAD] * 3) ** 2
    local = np.linalg.inv(information + np.diag(loose))
    # from a step in the model's frame about its origin to one about the scene's fixed axes
    turn = np.zeros((6, 6))
    turn[:3, :3] = turn[3:, 3:] = scene_from_model[:3, :3]
    covariance: FloatArray = turn @ local @ turn.T
    return (covariance + covariance.T) / 2


def _linearised(
    model: Surface, seen_m: FloatArray, pose: FloatArray, limit_m: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points in the model's frame, and point-to-plane residuals with their Jacobian [N, 6]."""
    rotation, translation = pose[:3, :3], pose[:3, 3]
    local = (seen_m - translation) @ rotation
    distance, index = model.tree.query(local, distance_upper_bound=limit_m)
    near = np.isfinite(distance)
    local, normals = local[near], model.normals[index[near]]
    residual = np.einsum("ni,ni->n", local - model.points_m[index[near]], normals)
    jacobian = np.hstack([normals, np.cross(local, normals)])
    return local, jacobian, residual


def _exponential(step: FloatArray) -> FloatArray:
    """Rigid motion of a small translation and rotation vector, float64 [4, 4] (Rodrigues)."""
    angle = float(np.linalg.norm(step[3:]))
    motion = np.eye(4)
    motion[:3, 3] = step[:3]
    if angle > 1e-12:
        x, y, z = step[3:] / angle
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        motion[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return motion
