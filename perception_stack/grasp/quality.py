"""How good a grasp is: the probability that it holds, as a product of four.

Each is a normal (or log-normal) variable on the right side of a limit:

* *friction* is above the tangent of the angle between closing line and normals,
* the object lies *between the fingers*, wherever it truly is within its covariance,
* nothing is *in the way*, by the same covariance,
* the *weight* does not turn it between the pads: the torque about the closing line against what
  friction of the patches bears (Howe and Cutkosky 1996), for a mass known within a factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.grasp.config import GraspPlannerConfig
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Contacts:
    """Where the pads of G grasps touch.

    Attributes:
        width_m: float64 [G].
        opening_m: float64 [G], before closing.
        cosine: float64 [G], mean over a patch, of normals and closing line; that of the worse side.
        area_m2: float64 [G], of the smaller patch.
        slant: float64 [G], tangent of the angle of the line between the patches' middles and the
            closing line.
        reach_m: float64 [G], how far behind the tips the middle of the patches is.
        deep_m: float64 [G], how far behind the tips their end is.
    """

    width_m: FloatArray
    opening_m: FloatArray
    cosine: FloatArray
    area_m2: FloatArray
    slant: FloatArray
    reach_m: FloatArray
    deep_m: FloatArray


def friction_score(
    contacts: Contacts, turn_sigma_rad: FloatArray, config: GraspPlannerConfig
) -> FloatArray:
    """Probability that friction suffices, float64 [G].

    Args:
        contacts: Of the grasps.
        turn_sigma_rad: float64 [G], deviation of the object's turn across the closing line.
        config: Friction.
    """
    cosine = np.clip(contacts.cosine, _NEVER, 1.0)
    tangent = np.sqrt(1 - cosine**2) / cosine
    worst = np.maximum(tangent, contacts.slant)
    return below((config.friction - worst) / np.hypot(config.friction_sigma, turn_sigma_rad))


def between_score(contacts: Contacts, sigma_m: FloatArray) -> FloatArray:
    """Probability that the object lies between the open fingers and deep enough, float64 [G].

    Args:
        contacts: Of the grasps.
        sigma_m: float64 [G, 3], deviation of its place along the axes of the grasp frame.
    """
    place_m = np.hypot(sigma_m, _PLACE_SIGMA_M)
    room_m = (contacts.opening_m - contacts.width_m) / 2
    within = np.clip(2 * below(room_m / place_m[:, 1]) - 1, 0.0, 1.0)
    return within * below((contacts.deep_m - _LEAST_DEEP_M) / place_m[:, 0])


def clear_score(clear_m: FloatArray, sigma_m: FloatArray) -> FloatArray:
    """Probability that nothing is in the way, float64 [G]."""
    return below(clear_m / np.hypot(sigma_m, _PLACE_SIGMA_M))


def weight_score(
    contacts: Contacts,
    held_m: FloatArray,
    rotation: FloatArray,
    target: Target,
    *,
    up: FloatArray,
    config: GraspPlannerConfig,
) -> FloatArray:
    """Probability that it does not turn between the pads, float64 [G].

    Args:
        contacts: The patches.
        held_m: float64 [G, 3], middle of the patches.
        rotation: float64 [G, 3, 3].
        target: Volume and centre of mass.
        up: float64 [3].
        config: Force, friction, density.
    """
    weight_n = config.density_kgpm3 * target.volume_m3 * _GRAVITY_MPS2
    # the lever about the closing line is level and across it
    across = np.cross(up, rotation[:, :, 1])
    lever_m = np.einsum("gi,gi->g", target.middle_m - held_m, across)
    level = np.linalg.norm(across, axis=1)
    lever_m = np.hypot(lever_m, target.middle_sigma_m * level)
    most_n = config.friction * config.grip_force_n
    radius = np.maximum(np.sqrt(contacts.area_m2 / np.pi), _LEAST_RADIUS_M)
    twist = weight_n * lever_m / 2 / (2 / 3 * most_n * radius)
    load = np.hypot(twist, weight_n / 2 / most_n)
    return below(-np.log(np.maximum(load, _NEVER)) / _MASS_SIGMA)


def shape_score(
    contacts: Contacts,
    held_m: FloatArray,
    rotation: FloatArray,
    seen: SurfacePoints,
    *,
    trust: float,
    config: GraspPlannerConfig,
) -> FloatArray:
    """Probability that the pads meet what the shape says, float64 [G].

    1 where points were measured below both pads, facing them; ``trust`` where they were below one;
    0 where nothing was seen below either, or what was seen faces another way.

    Args:
        contacts: Of the grasps.
        held_m: float64 [G, 3], middle of the patches.
        rotation: float64 [G, 3, 3].
        seen: Points and normals measured.
        trust: In the shape of what is hidden.
        config: Friction.
    """
    from scipy.spatial import cKDTree

    tree, cosine = cKDTree(seen.points_m), np.cos(np.arctan(config.friction))
    near_m = _NEAR_SPACINGS * float(np.sqrt(np.median(seen.area_m2)))
    num_seen = np.zeros(len(held_m))
    other = np.zeros(len(held_m), dtype=np.bool_)
    for sign in (1.0, -1.0):
        closing = sign * rotation[:, :, 1]
        patch_m = held_m + closing * contacts.width_m[:, None] / 2
        gap_m, row = tree.query(patch_m, k=_NUM_NEAR)
        faces = np.einsum("gki,gi->gk", seen.normals[row], closing) > cosine
        is_near = gap_m < near_m
        num_seen += (is_near & faces).any(axis=1)
        other |= is_near.any(axis=1) & ~(is_near & faces).any(axis=1)
    score: FloatArray = np.select([num_seen == 2, num_seen == 1], [1.0, trust], 0.0)
    return np.where(other, 0.0, score)


def below(deviations: FloatArray) -> FloatArray:
    """Probability that a standard normal variable is below, float64, same shape."""
    from scipy.special import ndtr

    probability: FloatArray = ndtr(deviations)
    return probability
