"""Iterative closest point of many poses at once (Chen and Medioni 1992, point to plane).

The model is complete and never changes, so the search is prepared once; what is seen is moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.pose.surface import Nearest

_RIDGE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Closest:
    """Seen points in the model's frame and the model points nearest to them.

    Attributes:
        local_m: float64 [H, N, 3], the seen points.
        normals: float64 [H, N, 3], of the model.
        gap_m: float64 [H, N], to the plane of the nearest model point, along its normal.
        distance_m: float64 [H, N], to the nearest model point.
    """

    local_m: FloatArray
    normals: FloatArray
    gap_m: FloatArray
    distance_m: FloatArray


def closest(nearest: Nearest, seen_m: FloatArray, poses: FloatArray) -> Closest:
    """Where seen points lie on the model, for each of H poses.

    Args:
        nearest: Search over the model.
        seen_m: float64 [N, 3], in the camera's frame.
        poses: float64 [H, 4, 4], scene from model.
    """
    rotations, translations = poses[:, :3, :3], poses[:, :3, 3]
    local_m = (seen_m - translations[:, None]) @ rotations
    index = nearest.index(local_m)
    offset = local_m - nearest.surface.points_m[index]
    normals = nearest.surface.normals[index]
    return Closest(
        local_m=local_m,
        normals=normals,
        gap_m=np.einsum("hni,hni->hn", offset, normals),
        distance_m=np.sqrt(np.einsum("hni,hni->hn", offset, offset)),
    )


def jacobian(found: Closest) -> FloatArray:
    """How gaps change with a step (translation, rotation) of the seen points, [H, N, 6]."""
    return np.concatenate([found.normals, np.cross(found.local_m, found.normals)], axis=2)


def align(
    nearest: Nearest, seen_m: FloatArray, poses: FloatArray, limits_m: FloatArray
) -> FloatArray:
    """Poses at which the seen points lie better on the model, float64 [H, 4, 4].

    Args:
        nearest: Search over the model.
        seen_m: float64 [N, 3], in the camera's frame.
        poses: float64 [H, 4, 4], scene from model.
        limits_m: One for each iteration: points farther away than this count nothing, nearer
            ones the more the nearer (Tukey's biweight).
    """
    for limit_m in limits_m:
        found = closest(nearest, seen_m, poses)
        weight = np.maximum(1 - (found.distance_m / limit_m) ** 2, 0) ** 2
        rows = jacobian(found)
        weighted = (rows * weight[..., None]).transpose(0, 2, 1)
        information = weighted @ rows
        # lengths and angles differ in size, so the ridge is relative to each
        information += np.einsum(
            "hi,ij->hij", _RIDGE * np.einsum("hii->hi", information) + 1e-12, np.eye(6)
        )
        step = np.linalg.solve(information, -(weighted @ found.gap_m[..., None]))[..., 0]
        # the step moves the seen points in the model's frame, so the pose takes its inverse
        poses = poses @ _inverse(exponential(step))
    return poses


def exponential(steps: FloatArray) -> FloatArray:
    """Rigid motions of small steps [H, 6] (translation, rotation vector), [H, 4, 4] (Rodrigues)."""
    angle = np.linalg.norm(steps[:, 3:], axis=1)
    axis = steps[:, 3:] / np.maximum(angle, 1e-12)[:, None]
    cross = np.zeros((len(steps), 3, 3))
    cross[:, [2, 0, 1], [1, 2, 0]] = axis
    cross[:, [1, 2, 0], [2, 0, 1]] = -axis
    motions = np.tile(np.eye(4), (len(steps), 1, 1))
    motions[:, :3, :3] += np.sin(angle)[:, None, None] * cross
    motions[:, :3, :3] += (1 - np.cos(angle))[:, None, None] * (cross @ cross)
    motions[:, :3, 3] = steps[:, :3]
    return motions


def _inverse(motions: FloatArray) -> FloatArray:
    inverse = np.tile(np.eye(4), (len(motions), 1, 1))
    inverse[:, :3, :3] = motions[:, :3, :3].transpose(0, 2, 1)
    inverse[:, :3, 3] = -np.einsum("hji,hj->hi", motions[:, :3, :3], motions[:, :3, 3])
    return inverse
