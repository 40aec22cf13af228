"""How good a grasp is: the probability that it holds, as a product of six.

Each is a normal (or log-normal) variable on the right side of a limit:

* *friction* is above the tangent of the angle between closing line and normals,
* both edges of a pad touch where the side is *hollow*, or the object turns,
* the object lies *between the pads*, deep enough and not beside them, wherever it is within its
  covariance,
* nothing is *in the way*, by the same covariance,
* the *weight* does not turn it between the pads: the torque about the closing line against what
  friction of the patches bears (Howe and Cutkosky 1996), for a mass known within a factor,
* the *shape* is what it seems where nothing was measured.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.grasp.contacts import GIVE_M, Candidates
from perception_stack.grasp.targets import Target
from perception_stack.shape.surfaces import SurfacePoints

_GRAVITY_MPS2 = 9.81
_MASS_SIGMA = 0.5  # of the logarithm
_LEAST_RADIUS_M = 0.003
_PLACE_SIGMA_M = 0.002  # of the robot and the camera on it
_LEAST_DEEP_M = 0.003  # from the tips, that a pad must hold
_NEAR_SPACINGS = 1.5
_NUM_NEAR = 3
_NEVER = 1e-6


def hold_score(
    found: Candidates,
    spread_m: FloatArray,
    target: Target,
    *,
    trust: float,
    up: FloatArray,
    config: GraspPlannerConfig,
) -> FloatArray:
    """Probability that the object is held, surroundings left out, float64 [G].

    Args:
        found: The grasps.
        spread_m: float64 [G, 3], deviation of the object's place along the axes of each grasp.
        target: The object.
        trust: In its shape, where nothing was measured.
        up: float64 [3].
        config: Friction, force, density.
    """
    score = _friction(found, target, config) * _between(found, spread_m, config)
    score = score * _hollow(found, spread_m, target, config)
    score = score * _weight(found, target, up, config)
    if target.seen is not None:
        score = score * _shape(found, target.seen, trust, config)
    return np.asarray(score)


def clear_score(clear_m: FloatArray, sigma_m: FloatArray) -> FloatArray:
    """Probability that nothing is in the way, float64 [G]."""
    return _below(clear_m / np.hypot(sigma_m, _PLACE_SIGMA_M))


def _friction(found: Candidates, target: Target, config: GraspPlannerConfig) -> FloatArray:
    cosine = np.clip(found.cosine, _NEVER, 1.0)
    tangent = np.maximum(np.sqrt(1 - cosine**2) / cosine, found.slant)
    # a turn about the closing direction itself leaves the normals where they are
    turn_rad = _turns_rad(found, target)[:, [0, 2]].max(axis=1)
    return _below((config.friction - tangent) / np.hypot(config.friction_sigma, turn_rad))


def _hollow(
    found: Candidates, spread_m: FloatArray, target: Target, config: GraspPlannerConfig
) -> FloatArray:
    """A flat pad across a hollow stands on its two edges, on one if it comes aslant."""
    place_m = np.hypot(spread_m[:, 2], _PLACE_SIGMA_M)
    sigma_rad = np.hypot(found.hollow * place_m, _turns_rad(found, target)[:, 0]) + _NEVER
    width_m = config.finger_width_m
    most_rad = GIVE_M / 2 / width_m
    both = _below((most_rad - found.aslant) / sigma_rad)
    both = both - _below((-most_rad - found.aslant) / sigma_rad)
    # as far as the hollow is deeper than pads give way
    deep = np.minimum(found.hollow * width_m**2 / 8 / GIVE_M, 1.0)
    return np.asarray(1 - deep * (1 - both))


def _turns_rad(found: Candidates, target: Target) -> FloatArray:
    """Deviation of the object's turn about the axes of each grasp frame, float64 [G, 3]."""
    rotation = found.poses.rotation
    variance = np.einsum("gik,ij,gjk->gk", rotation, target.covariance[3:, 3:], rotation)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _between(found: Candidates, spread_m: FloatArray, config: GraspPlannerConfig) -> FloatArray:
    place_m = np.hypot(spread_m, _PLACE_SIGMA_M)
    room_m = (found.opening_m - found.width_m) / 2
    within = np.clip(2 * _below(room_m / place_m[:, 1]) - 1, 0.0, 1.0)
    beside_m = config.finger_width_m / 2 - found.aside_m
    within = within * _below(beside_m / place_m[:, 2])
    return within * _below((found.deep_m - _LEAST_DEEP_M) / place_m[:, 0])


def _weight(
    found: Candidates, target: Target, up: FloatArray, config: GraspPlannerConfig
) -> FloatArray:
    weight_n = config.density_kgpm3 * target.volume_m3 * _GRAVITY_MPS2
    # the lever about the closing line is level and across it
    across = np.cross(up, found.poses.rotation[:, :, 1])
    lever_m = np.einsum("gi,gi->g", target.middle_m - found.held_m, across)
    lever_m = np.hypot(lever_m, target.middle_sigma_m * np.linalg.norm(across, axis=1))
    most_n = config.friction * config.grip_force_n
    radius_m = np.maximum(np.sqrt(found.area_m2 / np.pi), _LEAST_RADIUS_M)
    twist = weight_n * lever_m / 2 / (2 / 3 * most_n * radius_m)
    load = np.hypot(twist, weight_n / 2 / most_n)
    return _below(-np.log(np.maximum(load, _NEVER)) / _MASS_SIGMA)


def _shape(
    found: Candidates, seen: SurfacePoints, trust: float, config: GraspPlannerConfig
) -> FloatArray:
    """1 where points were measured below both pads, facing them; ``trust`` where below one.

    0 where nothing was seen below either, or what was seen faces another way.
    """
    from scipy.spatial import cKDTree

    tree, cosine = cKDTree(seen.points_m), np.cos(np.arctan(config.friction))
    near_m = _NEAR_SPACINGS * float(np.sqrt(np.median(seen.area_m2)))
    num_seen = np.zeros(len(found), dtype=np.int64)
    other = np.zeros(len(found), dtype=np.bool_)
    for sign in (1.0, -1.0):
        closing = sign * found.poses.rotation[:, :, 1]
        patch_m = found.held_m + closing * found.width_m[:, None] / 2
        gap_m, row = tree.query(patch_m, k=_NUM_NEAR)
        near = gap_m < near_m
        facing = near & (np.einsum("gki,gi->gk", seen.normals[row], closing) > cosine)
        num_seen += facing.any(axis=1)
        other |= near.any(axis=1) & ~facing.any(axis=1)
    score = np.where(other, 0.0, np.array([0.0, trust, 1.0])[num_seen])
    return np.asarray(score)


def _below(deviations: FloatArray) -> FloatArray:
    """Probability that a standard normal variable is below, float64, same shape."""
    from scipy.special import ndtr

    probability: FloatArray = ndtr(deviations)
    return probability
