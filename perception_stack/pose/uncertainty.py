"""Covariance of a refined pose, honest about directions in which the surface gives no hold."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.pose.models import PoseModel

_NORMAL_RAD = 0.1
_COMMON_NOISE = 0.7  # share of the noise that neighbouring pixels have in common
_UNKNOWN_RAD = np.pi / np.sqrt(3)  # standard deviation of an angle that may be anything
_LEAST_SHIFT, _LEAST_RAD = 0.002, 0.004  # the former of the diameter
_UNKNOWN_SHIFT = 0.1  # of the diameter; more is noticed by the check against free space


def covariance_of(
    model: PoseModel, seen_m: FloatArray, pose: FloatArray, *, limit_m: float, noise_m: float
) -> tuple[FloatArray, int]:
    """Covariance of position and rotation vector along the axes of the scene, float64 [6, 6].

    That of the linearised least squares of point-to-plane gaps. The normals of sampled surfaces
    are uncertain, which alone would make a can seem to hold against a turn; what they add in the
    mean is taken off again (the correction of errors-in-variables regression, Fuller 1987).
    Where no hold remains the variance is that of any angle or of a small shift. It describes one
    optimum: not the other faces of a box, nor the turned poses of a mug whose handle is hidden.

    Args:
        model: The object.
        seen_m: float64 [N, 3], what is seen of it.
        pose: float64 [4, 4], scene from model.
        limit_m: Points farther from the model do not belong to it.
        noise_m: Standard deviation of a depth pixel.

    Returns:
        The covariance, and how many of the points lie on the object.
    """
    middle_m = model.known.middle_m
    distance_m, nearest = model.fine.distances(seen_m, pose[None])
    local_m = (seen_m - pose[:3, 3]) @ pose[:3, :3]
    normals = model.fine.normals[nearest[0]]
    camera_m = -pose[:3, :3].T @ pose[:3, 3]
    facing = np.einsum("ni,ni->n", normals, local_m - camera_m) < 0
    near = facing & (distance_m[0] < limit_m)
    local_m, normals = local_m[near], normals[near]
    gap_m = np.einsum("ni,ni->n", local_m - model.fine.points_m[nearest[0, near]], normals)
    rows = np.concatenate([normals, np.cross(local_m - middle_m, normals)], axis=1)
    variance = float(gap_m @ gap_m) / max(len(gap_m) - 6, 1)
    variance += (_COMMON_NOISE * noise_m) ** 2

    levers = np.zeros((len(rows), 6, 3))
    levers[:, :3] = np.eye(3)
    levers[:, 3:] = _cross_matrices(local_m - middle_m)
    across = np.eye(3) - normals[:, :, None] * normals[:, None]
    bias = np.einsum("nia,nab,njb->ij", levers, across, levers) * _NORMAL_RAD**2
    # make lengths and angles comparable, so that "no hold" means the same for both
    scale = np.repeat([1.0, model.diameter_m / 2], 3)
    hold = (rows.T @ rows - bias) / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(hold)
    hold = (vectors * np.maximum(values, 0)) @ vectors.T * np.outer(scale, scale)

    unknown = np.repeat([_UNKNOWN_SHIFT * model.diameter_m, _UNKNOWN_RAD], 3)
    information = hold / variance + np.diag(1 / unknown**2)
    # what the spacing of the model's samples leaves, however many points are seen
    least = np.repeat([_LEAST_SHIFT * model.diameter_m, _LEAST_RAD], 3)
    covariance = np.linalg.inv(information) + np.diag(least**2)
    # from steps about the middle to those of the mesh's origin along the axes of the scene
    move = np.eye(6)
    move[:3, 3:] = _cross_matrices(middle_m)
    turn = np.kron(np.eye(2), pose[:3, :3]) @ move
    covariance = turn @ covariance @ turn.T
    return (covariance + covariance.T) / 2, int(near.sum())


def joined_covariance(
    model: PoseModel, pose: FloatArray, covariance: FloatArray, information: FloatArray
) -> FloatArray:
    """A covariance after something else was measured as well, float64 [6, 6].

    Args:
        model: The object.
        pose: float64 [4, 4], scene from model.
        covariance: float64 [6, 6], as of :func:`covariance_of`.
        information: float64 [6, 6], inverse covariance of what was measured, of steps about the
            object's middle along the axes of the scene.
    """
    to_middle = np.eye(6)
    to_middle[:3, 3:] = -_cross_matrices(pose[:3, :3] @ model.known.middle_m)
    joined = np.linalg.inv(np.linalg.inv(covariance) + to_middle.T @ information @ to_middle)
    return np.asarray((joined + joined.T) / 2)


def _cross_matrices(points_m: FloatArray) -> FloatArray:
    """Matrices [..., 3, 3] that take v to points × v."""
    x, y, z = np.moveaxis(points_m, -1, 0)
    zero = np.zeros_like(x)
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))
