"""From the points of a region to the pose that explains them best: many guesses, few survive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.camera import CameraModel
from perception_stack.pose.alignment import align
from perception_stack.pose.hypotheses import best_different, group_centers, guess_poses, turned
from perception_stack.pose.models import ObjectModel
from perception_stack.pose.verification import covered, filled, shown

# lengths are relative to the object's diameter
_FIRST_LIMITS = np.geomspace(0.3, 0.15, 8)
_NEXT_LIMITS = np.geomspace(0.15, 0.06, 10)
_LAST_LIMITS = np.full(8, 0.06)
_FIRST_TOLERANCE, _TOLERANCE = 0.05, 0.04
_FIRST_APART, _NEXT_APART = 0.1, 0.05
_NUM_SEEN, _NUM_FEW = 1000, 80
_NUM_TURNED, _NUM_LAST = 4, 10
_MOST_GROUPS = 3
_GROUP_SPACINGS = 2.0

LAST_LIMIT = float(_LAST_LIMITS[-1])
"""Points farther from the model than this, relative to its diameter, do not belong to it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """What is seen of an object.

    Attributes:
        seen_m: float64 [N, 3], at least one point that may lie on it, in the camera's frame.
        xyxy_px: float64 [4], box of the detection.
        depth_m: float32 [H, W], the whole depth image.
        camera: Of the depth image.
    """

    seen_m: FloatArray
    xyxy_px: FloatArray
    depth_m: NDArray[np.float32]
    camera: CameraModel


def find_pose(
    model: ObjectModel, region: Region, *, num_orientations: int, num_refined: int
) -> tuple[FloatArray, float]:
    """The best pose (scene from model, float64 [4, 4]) and its score in [0, 1].

    Args:
        model: The object.
        region: Where to look for it.
        num_orientations: Guesses for each group of points.
        num_refined: Guesses that are looked at more closely.
    """
    diameter_m = model.diameter_m
    seen_m, few_m = (_at_most(region.seen_m, num) for num in (_NUM_SEEN, _NUM_FEW))
    centers_m = group_centers(seen_m, _GROUP_SPACINGS * model.surface.spacing_m, most=_MOST_GROUPS)
    guesses = [guess_poses(model.surface, one, num=num_orientations) for one in centers_m]
    poses = align(model.surface, few_m, np.concatenate(guesses), _FIRST_LIMITS * diameter_m)
    tolerance_m = _FIRST_TOLERANCE * diameter_m
    scores = _covered(model, poses, few_m, tolerance_m)
    scores *= shown(model.rough, poses, region.depth_m, region.camera, tolerance_m=tolerance_m)
    kept = best_different(model, poses, scores, num=num_refined, apart=_FIRST_APART)

    tolerance_m = _TOLERANCE * diameter_m
    poses = align(model.surface, seen_m, poses[kept], _NEXT_LIMITS * diameter_m)
    scores = _scores(model, region, seen_m, poses, tolerance_m)
    kept = best_different(model, poses, scores, num=_NUM_TURNED, apart=_NEXT_APART)

    # nearly symmetric objects: the little that tells the sides apart does not pull a pose over
    poses = align(model.surface, seen_m, turned(model, poses[kept]), _NEXT_LIMITS * diameter_m)
    scores = _scores(model, region, seen_m, poses, tolerance_m)
    kept = best_different(model, poses, scores, num=_NUM_LAST, apart=_NEXT_APART)

    poses = align(model.fine, seen_m, poses[kept], _LAST_LIMITS * diameter_m, one_sided=True)
    scores = _scores(model, region, seen_m, poses, tolerance_m)
    best = poses[[np.argmax(scores)]]  # the first of equals
    # points of other things in the box choose between poses, but are no fault of the best one
    score = _confirmed(model, region, best, tolerance_m)
    return best[0], float(score[0])


def _at_most(points_m: FloatArray, num: int) -> FloatArray:
    """Every n-th point, so that few enough remain."""
    return points_m[:: -(-len(points_m) // num)]


def _scores(
    model: ObjectModel,
    region: Region,
    seen_m: FloatArray,
    poses: FloatArray,
    tolerance_m: float,
) -> FloatArray:
    confirmed = _confirmed(model, region, poses, tolerance_m)
    return confirmed * _covered(model, poses, seen_m, tolerance_m)


def _confirmed(
    model: ObjectModel, region: Region, poses: FloatArray, tolerance_m: float
) -> FloatArray:
    """The surface must be seen where it should be, and it must fill the box."""
    is_shown = shown(model.surface, poses, region.depth_m, region.camera, tolerance_m=tolerance_m)
    return is_shown * filled(model.rough, poses, region.camera, region.xyxy_px)


def _covered(
    model: ObjectModel, poses: FloatArray, seen_m: FloatArray, tolerance_m: float
) -> FloatArray:
    """What is seen must be the surface; squared, as it is the stronger evidence."""
    return covered(model.surface, poses, seen_m, tolerance_m=tolerance_m) ** 2
