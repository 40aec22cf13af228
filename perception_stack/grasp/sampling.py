"""Grasp frames for antipodal pairs of surface points.

From some points of the surface a line goes inward along the normal; where it leaves the object
with a normal within the friction cone, the two points can be held (Chen and Burdick 1993). Around
each such line the gripper may come from all sides, less or more deep.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.grasp.targets import Poses
from perception_stack.shape.surfaces import SurfacePoints

_AROUND_RAD = np.deg2rad(np.arange(-75.0, 76.0, 25.0))  # about the closing line, from the lowest
_DEPTHS = (0.5, 0.2)  # of the pad, how far the tips go beyond the line
_STEEP = 0.35  # rad: up to here from straight down, every direction seen from above is the same
_LEAST_M = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of opposite points.

    Attributes:
        middle_m: float64 [P, 3].
        axis: float64 [P, 3], unit, from one to the other.
        num_wide: How many pairs were too far apart for the gripper.
        num_tried: How many points had anything opposite.
    """

    middle_m: FloatArray
    axis: FloatArray
    num_wide: int
    num_tried: int


def antipodal_pairs(
    surface: SurfacePoints, config: GraspPlannerConfig, *, up: FloatArray
) -> Pairs:
    """The nearest and the farthest point opposite to some points of a surface.

    Args:
        surface: Of the object.
        config: Friction, and how far the gripper opens.
        up: float64 [3].
    """
    points, normals = surface.points_m, surface.normals
    rng = np.random.default_rng(0)
    sure = surface.area_m2 > 0
    seeds = rng.permutation(np.flatnonzero(sure))
    # what faces up or down is of use only for things held from the side
    seeds = seeds[np.argsort(np.abs(normals[seeds] @ up) > 0.95, kind="stable")]
    seeds = seeds[: config.num_seeds]
    axis = -normals[seeds]
    away = points[None] - points[seeds][:, None]
    along = np.einsum("sni,si->sn", away, axis)
    across2 = np.einsum("sni,sni->sn", away, away) - along**2
    opposite = (across2 < spacing_m2(surface)) & (along > _LEAST_M) & sure
    opposite &= axis @ normals.T > np.cos(np.arctan(config.friction))
    room_m = config.max_opening_m - 2 * config.clearance_m
    fits = opposite & (along < room_m)
    found = fits.any(axis=1)
    rows, cols = [], []
    for pick, fill in ((np.argmin, np.inf), (np.argmax, -np.inf)):
        rows.append(np.flatnonzero(found))
        cols.append(pick(np.where(fits, along, fill), axis=1)[found])
    picked = np.unique(np.stack([np.concatenate(rows), np.concatenate(cols)], axis=1), axis=0)
    seed, end = picked.T
    width = along[seed, end]
    # in the middle of both points, but along the normal of the first
    middle = points[seeds[seed]] + axis[seed] * width[:, None] / 2
    any_opposite = opposite.any(axis=1)
    return Pairs(
        middle_m=middle,
        axis=axis[seed],
        num_wide=int((any_opposite & ~found).sum()),
        num_tried=int(any_opposite.sum()),
    )


def spacing_m2(surface: SurfacePoints) -> float:
    """Square of the distance of neighbouring points."""
    sure = surface.area_m2[surface.area_m2 > 0]
    return float(np.median(sure)) if len(sure) else np.inf


def frames_around(
    pairs: Pairs, config: GraspPlannerConfig, *, up: FloatArray, ahead: FloatArray
) -> Poses:
    """Grasp frames from all sides around each closing line, as deep as pads allow or less.

    Args:
        pairs: The closing lines.
        config: Pads.
        up: float64 [3].
        ahead: float64 [3], from the sensor to the object: where a line is upright, from there.
    """
    down = -up - (pairs.axis @ -up)[:, None] * pairs.axis
    level = ahead - (pairs.axis @ ahead)[:, None] * pairs.axis
    is_upright = np.linalg.norm(down, axis=1, keepdims=True) < 0.3
    first = np.where(is_upright, level, down)
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-9)
    second = np.cross(pairs.axis, first)
    c, s = np.cos(_AROUND_RAD)[:, None], np.sin(_AROUND_RAD)[:, None]
    approach = c * first[:, None] + s * second[:, None]  # [P, K, 3]
    closing = np.broadcast_to(pairs.axis[:, None], approach.shape)
    rotation = np.stack([approach, closing, np.cross(approach, closing)], axis=-1)
    depth = np.array(_DEPTHS) * config.pad_length_m
    position = pairs.middle_m[:, None, None] + depth[:, None] * approach[:, :, None]
    rotation = np.broadcast_to(rotation[:, :, None], (*position.shape, 3))
    num = position.shape[0] * position.shape[1] * position.shape[2]
    return Poses(
        position_m=position.reshape(num, 3),
        rotation=np.ascontiguousarray(rotation).reshape(num, 3, 3),
        confidence=np.ones(num),
    )


def is_reachable(
    rotation: FloatArray, config: GraspPlannerConfig, *, up: FloatArray, ahead: FloatArray
) -> NDArray[np.bool_]:
    """Which approaches come from above enough and not from behind, bool [G]."""
    approach = rotation[:, :, 0]
    tilt = np.arccos(np.clip(approach @ -up, -1, 1))
    level = approach - (approach @ up)[:, None] * up
    along = ahead - (ahead @ up) * up
    cosine = (
        level @ along / np.maximum(np.linalg.norm(level, axis=1) * np.linalg.norm(along), 1e-9)
    )
    aside = np.arccos(np.clip(cosine, -1, 1))
    reachable: NDArray[np.bool_] = (tilt <= config.max_tilt_rad) & (
        (tilt <= _STEEP) | (aside <= config.max_aside_rad) | (np.linalg.norm(along) < 1e-6)
    )
    return reachable
