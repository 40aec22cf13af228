"""Iterative closest point of many poses at once (Chen and Medioni 1992, point to plane).

The model is complete and never changes, so the search is prepared once; what is seen is moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.pose.surface import Surface

_RIDGE, _LEAST_RIDGE = 1e-6, 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Closest:
    """Seen points in the model's frame, and the model points nearest to them, for H poses.

    Attributes:
        local_m: float64 [H, N, 3], the seen points.
        normals: float64 [H, N, 3], of the model.
        gap_m: float64 [H, N], to the plane of the nearest model point, along its normal.
        distance_m: float64 [H, N], to the nearest model point.
        facing: bool [H, N], the nearest model point looks towards the camera; it does not on the
            inner side of a wall that is seen from outside.
    """

    local_m: FloatArray
    normals: FloatArray
    gap_m: FloatArray
    distance_m: FloatArray
    facing: NDArray[np.bool_]

    def jacobian(self, about_m: FloatArray) -> FloatArray:
        """Change of the gaps with a step of the seen points, float64 [H, N, 6].

        A step is a translation and a rotation vector about a point of the model's frame.
        """
        x, y, z = np.moveaxis(self.local_m - about_m, -1, 0)
        a, b, c = np.moveaxis(self.normals, -1, 0)
        return np.stack([a, b, c, y * c - z * b, z * a - x * c, x * b - y * a], axis=-1)


def closest(model: Surface, seen_m: FloatArray, poses: FloatArray) -> Closest:
    """Where seen points [N, 3] lie on the model, for poses [H, 4, 4] (scene from model)."""
    local_m = (seen_m - poses[:, None, :3, 3]) @ poses[:, :3, :3]
    index = model.nearest(local_m)
    offset_m = local_m - model.points_m[index]
    normals = model.normals[index]
    camera_m = -np.einsum("hij,hi->hj", poses[:, :3, :3], poses[:, :3, 3])
    return Closest(
        local_m=local_m,
        normals=normals,
        gap_m=np.einsum("hni,hni->hn", offset_m, normals),
        distance_m=np.sqrt(np.einsum("hni,hni->hn", offset_m, offset_m)),
        facing=np.einsum("hni,hni->hn", normals, local_m - camera_m[:, None]) < 0,
    )


def align(
    model: Surface,
    seen_m: FloatArray,
    poses: FloatArray,
    limits_m: FloatArray,
    *,
    one_sided: bool = False,
) -> FloatArray:
    """Poses at which the seen points lie better on the model, float64 [H, 4, 4].

    Args:
        model: The whole object.
        seen_m: float64 [N, 3], in the camera's frame.
        poses: float64 [H, 4, 4], scene from model.
        limits_m: One for each iteration: points farther away than this count nothing, nearer
            ones the more the nearer (Tukey's biweight).
        one_sided: Only sides of the model that face the camera count. This keeps the two sides of
            a thin wall apart, but wants model points closer together than the wall is thin.
    """
    for limit_m in limits_m:
        found = closest(model, seen_m, poses)
        weight = np.maximum(1 - (found.distance_m / limit_m) ** 2, 0) ** 2
        if one_sided:
            weight *= found.facing
        rows = found.jacobian(np.zeros(3))
        weighted = (rows * weight[..., None]).transpose(0, 2, 1)
        information = weighted @ rows
        # directions without hold stay where they are; a pose without points stays as a whole
        ridge = _RIDGE * np.einsum("hii->hi", information) + _LEAST_RIDGE
        information += ridge[:, None] * np.eye(6)
        steps = np.linalg.solve(information, -(weighted @ found.gap_m[..., None]))[..., 0]
        # a step moves the seen points in the model's frame, so the pose takes its inverse
        poses = poses @ _inverse(_exponential(steps))
    return poses


def _exponential(steps: FloatArray) -> FloatArray:
    """Rigid motions [H, 4, 4] of steps [H, 6] (Rodrigues)."""
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
