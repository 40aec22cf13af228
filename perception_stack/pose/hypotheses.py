"""First guesses of a pose, and which of many are worth keeping.

Features of a surface (FPFH and the like) say nothing on flat and round objects. Looking up depths
is so cheap that each of a hundred points of the model is simply laid on each of some seen places,
turned all around: if a place is on the object, one of these poses is near the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.pose.models import PoseModel
from perception_stack.pose.region import Region
from perception_stack.pose.scene import Scene

_NUM_CONTACT_TURNS = 14
_NUM_TURNS = 12
_NUM_TRIED = 32
_FIRST_TOLERANCE = 0.08  # of the diameter
_PRIOR = 0.2  # RMS distance of corners
_PLACE = 0.35  # of the diameter
_CORNERS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far a pose may be off, standard deviations; lengths are relative to the diameter."""

    turn_rad: float
    across: float
    along: float


OF_IMAGES = Spread(turn_rad=np.deg2rad(10.0), across=0.06, along=0.15)
"""Errors of poses from images: largest along the line of sight."""


def contacts_at(
    model: PoseModel, scene: Scene, region: Region, seed: int, *, least: float
) -> FloatArray:
    """Poses that lay some point of the model on a seed, those that agree best with the depths.

    Args:
        model: The object.
        scene: The frame.
        region: Where to look.
        seed: Row of the seed.
        least: As of :func:`best_at_a_glance`.

    Returns:
        float64 [K, 4, 4], scene from model.
    """
    from perception_stack.pose._kernels import contact_poses

    poses = contact_poses(
        region.seeds_m[seed],
        region.seed_normals[seed],
        model.contacts.points_m[model.distinct],
        model.contacts.normals[model.distinct],
        1 if model.is_ball else _NUM_CONTACT_TURNS,
    )
    return best_at_a_glance(
        model, scene, poses, num=_NUM_TRIED, tolerance=_FIRST_TOLERANCE, least=least
    )


def best_at_a_glance(
    model: PoseModel,
    scene: Scene,
    poses: FloatArray,
    *,
    num: int,
    tolerance: float,
    least: float,
) -> FloatArray:
    """The poses that agree best with the depths at few points of the model, [K, 4, 4].

    Args:
        model: The object.
        scene: The frame.
        poses: float64 [H, 4, 4], scene from model.
        num: How many to return at most.
        tolerance: How far depths may differ, relative to the diameter.
        least: Share of what should be visible that must be there, less what is contradicted.
    """
    from perception_stack.pose._kernels import glance_poses

    shown = glance_poses(
        np.ascontiguousarray(poses),
        model.contacts.points_m,
        model.contacts.normals,
        scene.depth_m,
        scene.pinhole,
        tolerance * model.diameter_m,
    )
    rows = np.flatnonzero(shown >= least)
    return np.asarray(poses[rows[np.argsort(-shown[rows], kind="stable")[:num]]])


def turned(model: PoseModel, poses: FloatArray, *, apart: float) -> FloatArray:
    """Each of some poses with the object turned on the spot about its principal axes.

    Returns:
        float64 [K, 4, 4], those that are by more than ``apart``, in diameters, neither one of the
        given poses nor each other, symmetries considered.
    """
    points_m = model.known.surface.points_m
    center_m = points_m.mean(axis=0)
    offsets_m = points_m - center_m
    _, axes = np.linalg.eigh(offsets_m.T @ offsets_m)
    num_turns = 1 if model.is_ball else _NUM_TURNS
    half_rad = np.arange(1, num_turns) * np.pi / num_turns
    vectors = np.sin(half_rad)[:, None, None] * axes.T
    scalars = np.broadcast_to(np.cos(half_rad)[:, None, None], (*vectors.shape[:2], 1))
    quat_xyzw = np.concatenate([vectors, scalars], axis=2).reshape(-1, 4)
    turns = np.tile(np.eye(4), (len(quat_xyzw), 1, 1))
    turns[:, :3, :3] = matrix_from_quat(quat_xyzw)
    turns[:, :3, 3] = center_m - turns[:, :3, :3] @ center_m
    more = np.concatenate([poses, (poses[:, None] @ turns).reshape(-1, 4, 4)])
    given_first = -np.arange(len(more), dtype=np.float64)
    rows = best_different(model, more, given_first, num=len(more), apart=apart)
    return np.asarray(more[rows[rows >= len(poses)]])


def nearby(
    model: PoseModel, pose: FloatArray, *, num: int = 64, spread: Spread = OF_IMAGES
) -> FloatArray:
    """A pose and others about it, spread as its error is; the same ones each time (Halton 1960).

    Returns:
        float64 [num, 4, 4], the pose first.
    """
    from scipy.spatial.transform import Rotation

    middle_m = pose[:3, :3] @ model.known.middle_m + pose[:3, 3]
    sight = middle_m / np.linalg.norm(middle_m)
    turns, shifts = np.hsplit(_even_draws(num - 1), 2)
    along = spread.along * shifts @ np.outer(sight, sight)
    across = spread.across * shifts @ (np.eye(3) - np.outer(sight, sight))
    poses = np.tile(pose, (num, 1, 1))
    turned_by = Rotation.from_rotvec(spread.turn_rad * turns).as_matrix()
    poses[1:, :3, :3] = turned_by @ pose[:3, :3]
    places_m = middle_m + model.diameter_m * (along + across)
    poses[1:, :3, 3] = places_m - poses[1:, :3, :3] @ model.known.middle_m
    return poses


def log_prior(model: PoseModel, poses: FloatArray, about: FloatArray) -> FloatArray:
    """Log density, but for a constant, of poses [H, 4, 4] whose error about one is as expected.

    Of all poses that symmetries make the same as that one, the nearest counts.
    """
    places = _corners(model, about @ model.equivalents)
    square = ((_corners(model, poses)[:, None] - places) ** 2).sum(axis=2).min(axis=1)
    scale = len(_CORNERS) * (_PRIOR * model.diameter_m) ** 2
    return np.asarray(-0.5 * square / scale)


def best_different(
    model: PoseModel,
    poses: FloatArray,
    ranks: FloatArray,
    *,
    num: int,
    apart: float,
    per_place: int | None = None,
) -> NDArray[np.intp]:
    """Rows of the best poses, best first, none of which puts the object where a better one does.

    Args:
        model: The object; poses that its symmetries make the same count as the same.
        poses: float64 [H, 4, 4].
        ranks: float64 [H]; of equals the first is better.
        num: Most rows to return.
        apart: Mean distance of corners from which on poses differ, relative to the diameter.
        per_place: How many poses with their middles close together are wanted at most, so that
            one place does not take what others need.
    """
    placed = _corners(model, model.canonical(poses))
    middles_m = poses[:, :3, :3] @ model.known.middle_m + poses[:, :3, 3]
    limit = len(_CORNERS) * (apart * model.diameter_m) ** 2
    place = (_PLACE * model.diameter_m) ** 2
    order = np.argsort(-ranks, kind="stable")
    near = np.zeros(len(poses), dtype=np.intp)
    kept: list[int] = []
    while len(order) and len(kept) < num:
        best = order[0]
        kept.append(best)
        different = ((placed[order] - placed[best]) ** 2).sum(axis=1) > limit
        if per_place is not None:
            near[order] += ((middles_m[order] - middles_m[best]) ** 2).sum(axis=1) < place
            different &= near[order] < per_place
        order = order[different]
    return np.array(kept, dtype=np.intp)


def _corners(model: PoseModel, poses: FloatArray) -> FloatArray:
    """Four corners of the model's extents, under each pose, float64 [H, 12]."""
    corners_m = model.known.middle_m + model.known.size_lwh_m / 2 * _CORNERS
    placed = np.einsum("hij,kj->hki", poses[:, :3, :3], corners_m) + poses[:, None, :3, 3]
    return np.asarray(placed.reshape(len(poses), 3 * len(_CORNERS)))


@cache
def _even_draws(num: int) -> FloatArray:
    """Of the standard normal distribution in six dimensions, float64 [num, 6]."""
    from scipy.special import ndtri
    from scipy.stats.qmc import Halton

    return np.asarray(ndtri(Halton(6, scramble=False).random(num + 1)[1:]))
