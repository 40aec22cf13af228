"""Covariance of a refined pose, honest about directions in which the surface gives no hold."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.objects.surface import LIKE
from perception_stack.pose.models import PoseModel
from perception_stack.pose.region import Points

_NORMAL_RAD = 0.1
_COMMON_NOISE, _PATCH = 0.7, 0.25  # share of the noise that is in common; where, of the diameter
_UNKNOWN_RAD = np.pi / np.sqrt(3)  # standard deviation of an angle that may be anything
_LEAST_SHIFT, _LEAST_RAD = 0.002, 0.004  # the former of the diameter
_UNKNOWN_SHIFT = 0.1  # of the diameter; more is noticed by the check against free space


def covariance_of(
    model: PoseModel, seen: Points, pose: FloatArray, *, limit_m: float, noise_m: float
) -> tuple[FloatArray, int]:
    """Covariance of position and rotation vector along the axes of the scene, float64 [6, 6].

    That of the linearised least squares of point-to-plane gaps, whose errors have two parts: what
    is seen of each, and what all of a patch have in common, which no number of points averages
    out and no residual shows. The normals of sampled surfaces are uncertain, which alone would
    make a can seem to hold against a turn; what they add in the mean is taken off again (the
    correction of errors-in-variables regression, Fuller 1987). Where no hold remains the variance
    is that of any angle or of a small shift. It describes one optimum, not the other faces of a
    box.

    Args:
        model: The object.
        seen: What is seen of it.
        pose: float64 [4, 4], scene from model.
        limit_m: Points farther from the model do not belong to it.
        noise_m: Standard deviation of a depth pixel.

    Returns:
        The covariance, and how many of the points lie on the object.
    """
    offset_m, normals, gap_m = _on_surface(model, seen, pose, limit_m=limit_m)
    rows = np.concatenate([normals, np.cross(offset_m, normals)], axis=1)
    # makes lengths and angles comparable, so that "no hold" means the same for both
    scale = np.repeat([1.0, model.diameter_m / 2], 3)
    patches = _sums(rows, offset_m, _PATCH * model.diameter_m)
    patches = np.concatenate([patches, np.diag(scale)])  # never none at all
    noise = float(gap_m @ gap_m) / max(len(gap_m) - 6, 1) * rows.T @ rows
    noise += (_COMMON_NOISE * noise_m) ** 2 * patches.T @ patches
    hold = _hold(rows, offset_m, normals, scale)
    covariance = _moments(model, hold @ np.linalg.solve(noise, hold))
    # what the spacing of the model's samples leaves, however many points are seen
    least = np.repeat([_LEAST_SHIFT * model.diameter_m, _LEAST_RAD], 3)
    turn = np.kron(np.eye(2), pose[:3, :3])
    covariance = turn @ (covariance + np.diag(least**2)) @ turn.T
    return (covariance + covariance.T) / 2, len(gap_m)


def _on_surface(
    model: PoseModel, seen: Points, pose: FloatArray, *, limit_m: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points that alignment would match, from the model's middle, [N, 3]; normals; gaps."""
    distance_m, (nearest,) = model.fine.distances(seen.points_m, pose[None])
    local_m = (seen.points_m - pose[:3, 3]) @ pose[:3, :3]
    normals = model.fine.normals[nearest]
    camera_m = -pose[:3, :3].T @ pose[:3, 3]
    facing = np.einsum("ni,ni->n", normals, local_m - camera_m) < 0
    unlike = np.einsum("ni,ni->n", normals, seen.normals @ pose[:3, :3]) < LIKE
    near = facing & ~unlike & (distance_m[0] < limit_m)
    local_m, normals = local_m[near], normals[near]
    gap_m = np.einsum("ni,ni->n", local_m - model.fine.points_m[nearest[near]], normals)
    return local_m - model.known.middle_m, normals, gap_m


def _sums(rows: FloatArray, points_m: FloatArray, side_m: float) -> FloatArray:
    """Sums of the rows [N, 6] of points in one cube, float64 [B, 6]."""
    _, patch = np.unique(np.floor(points_m / side_m), axis=0, return_inverse=True)
    sums = np.zeros((patch.max(initial=-1) + 1, rows.shape[1]))
    np.add.at(sums, patch.ravel(), rows)
    return sums


def _hold(
    rows: FloatArray, offset_m: FloatArray, normals: FloatArray, scale: FloatArray
) -> FloatArray:
    """How much the surface resists each step, without what uncertain normals add, [6, 6]."""
    levers = np.zeros((len(rows), 6, 3))
    levers[:, :3] = np.eye(3)
    levers[:, 3:] = _cross_matrices(offset_m)
    across = np.eye(3) - normals[:, :, None] * normals[:, None]
    bias = np.einsum("nia,nab,njb->ij", levers, across, levers) * _NORMAL_RAD**2
    values, vectors = np.linalg.eigh((rows.T @ rows - bias) / np.outer(scale, scale))
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T * np.outer(scale, scale))


def _moments(model: PoseModel, information: FloatArray) -> FloatArray:
    """Covariance along the model's axes, of its origin, from information about its middle.

    Turns take the origin along an arc: its second moments are those of a wrapped normal (Mardia
    and Jupp, "Directional Statistics", 2000), not those of the arc's tangent.
    """
    shift_prior = np.eye(3) / (_UNKNOWN_SHIFT * model.diameter_m) ** 2
    held = information[:3, :3] + shift_prior
    lever = np.linalg.solve(held, information[:3, 3:])  # a turn w shifts the middle by -lever @ w
    turns = information[3:, 3:] - information[:3, 3:].T @ lever
    # the shift that a turn brings with it is no reason against the turn
    turns -= lever.T @ shift_prior @ lever
    values, axes = np.linalg.eigh((turns + turns.T) / 2)
    variance = 1 / (np.maximum(values, 0) + _UNKNOWN_RAD**-2)
    along = -(lever - _cross_matrices(model.known.middle_m)) @ axes
    inward = np.cross(axes, along, axis=0)
    once, twice = np.exp(-variance / 2), np.exp(-2 * variance)
    covariance = np.empty((6, 6))
    covariance[:3, :3] = np.linalg.inv(held) + along * (1 - twice) / 2 @ along.T
    covariance[:3, :3] += inward * (1.5 - 2 * once + twice / 2) @ inward.T
    covariance[:3, 3:] = along * variance * once @ axes.T
    covariance[3:, :3] = covariance[:3, 3:].T
    covariance[3:, 3:] = axes * variance @ axes.T
    return covariance


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
