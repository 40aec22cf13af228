"""The poses near a given one whose outline fits best: many looked at, few fitted."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.pose.hypotheses import Spread, best_different, log_prior, nearby
from perception_stack.pose.models import PoseModel
from perception_stack.pose.outline.fitting import OutlineEvidence, OutlineFit
from perception_stack.pose.scene import Scene

_WIDE = Spread(turn_rad=np.deg2rad(10.0), across=0.2, along=0.2)
_NARROW = Spread(turn_rad=np.deg2rad(6.0), across=0.08, along=0.12)
_NUM_WIDE, _NUM_KEPT, _NUM_NARROW, _NUM_FITTED, _NUM_LAST = 96, 6, 12, 8, 2
_APART, _NEARER_APART = 0.1, 0.05  # mean distance of corners, of the diameter
_ROUGH_PX, _FINE_PX = 50, 100
_STEPS_PX = (4.0, 3.0, 3.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0)
_LAST_STEPS_PX = (1.0,) * 12
_ALONG = 0.12  # of the diameter
_FIRST_LIMIT, _LAST_FIRST_LIMIT = 0.4, 0.2  # of the diameter


def best_outlines(
    model: PoseModel, scene: Scene, about: FloatArray, *, noise_m: float
) -> tuple[FloatArray, OutlineEvidence]:
    """The poses near a given one that outline and depths fit best, the best first.

    Args:
        model: The object.
        scene: A frame with colours.
        about: float64 [4, 4], scene from model, the object's middle in front of the camera.
        noise_m: Standard deviation of a depth at 1 m.

    Returns:
        float64 [K, 4, 4] and the evidence on them.
    """
    middle_m = about[:3, :3] @ model.known.middle_m + about[:3, 3]
    rough, fine = (
        OutlineFit(model, scene, middle_m, noise_m=noise_m, object_px=px)
        for px in (_ROUGH_PX, _FINE_PX)
    )

    def best(poses: FloatArray, num: int, apart: float) -> FloatArray:
        ranks = rough.ranks(poses) + log_prior(model, poses, about)
        return np.asarray(poses[best_different(model, poses, ranks, num=num, apart=apart)])

    poses = best(nearby(model, about, num=_NUM_WIDE, spread=_WIDE), _NUM_KEPT, _APART)
    poses = np.concatenate([nearby(model, one, num=_NUM_NARROW, spread=_NARROW) for one in poses])
    poses = best(poses, _NUM_FITTED, _NEARER_APART)

    def better(poses: FloatArray, steps_px: tuple[float, ...], limit: float) -> FloatArray:
        poses = fine.fitted(poses, steps_px, first_limit=limit)
        likelihood = fine.evidence(poses).log_likelihood + log_prior(model, poses, about)
        return np.asarray(poses[np.argsort(-likelihood, kind="stable")[:_NUM_LAST]])

    poses = better(poses, _STEPS_PX, _FIRST_LIMIT)
    poses = np.concatenate([_nearer_and_farther(model, one) for one in poses])
    poses = better(poses, _LAST_STEPS_PX, _LAST_FIRST_LIMIT)
    return poses, fine.evidence(poses)


def _nearer_and_farther(model: PoseModel, pose: FloatArray) -> FloatArray:
    """A pose, and the same along the line of sight, of which outlines tell least, [3, 4, 4]."""
    middle_m = pose[:3, :3] @ model.known.middle_m + pose[:3, 3]
    sight = middle_m / np.linalg.norm(middle_m)
    poses = np.repeat(pose[None], 3, axis=0)
    poses[:, :3, 3] += _ALONG * model.diameter_m * np.array([[0.0], [-1.0], [1.0]]) * sight
    return poses
