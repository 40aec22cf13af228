"""The pose of an object from one nearby: by its depths, where they say little by its outline."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.pose.ambiguity import with_alternatives
from perception_stack.pose.estimates import Found
from perception_stack.pose.models import PoseModel
from perception_stack.pose.outline.certainty import certainty
from perception_stack.pose.outline.search import best_outlines
from perception_stack.pose.region import Points, noise_at, points_near, region_of
from perception_stack.pose.scene import Scene
from perception_stack.pose.search import LAST_LIMIT, Search
from perception_stack.pose.uncertainty import covariance_of, joined_covariance
from perception_stack.pose.verification import Tolerance, judge

_SURE = 0.5  # score from which depths alone are enough
_LEAST_AWAY = 1.0  # of an object's middle from the camera, in diameters


def refined(
    model: PoseModel,
    about: FloatArray,
    scene: Scene,
    *,
    noise_m: float,
    min_points: int,
    outline: bool = True,
) -> Found | None:
    """The pose that fits best near a given one.

    Args:
        model: The object.
        about: float64 [4, 4], scene from model.
        scene: The frame.
        noise_m: Standard deviation of a depth at 1 m.
        min_points: Least depth pixels on the object to go by depths.
        outline: Whether colours are looked at where depths leave the pose unsure.

    Returns:
        None where there are too few depths and no colours, or the object is not before the camera.
    """
    middle_m = about[:3, :3] @ model.known.middle_m + about[:3, 3]
    points = points_near(scene, middle_m, diameter_m=model.diameter_m, noise_m=noise_m)
    found = None
    if len(points) >= min_points:
        region = region_of(points, diameter_m=model.diameter_m, xyxy_px=None)
        search = Search(model, scene, region, noise_m=noise_m)
        found = with_alternatives(search, search.near(about), 0)
    if not (outline and scene.rgb.size) or middle_m[2] < _LEAST_AWAY * model.diameter_m:
        return found
    if found is None or found.score < _SURE:
        outlined = _outlined(model, about, scene, points, noise_m=noise_m)
        if found is None or outlined.score > found.score:
            return outlined
    return found


def _outlined(
    model: PoseModel, about: FloatArray, scene: Scene, points: Points, *, noise_m: float
) -> Found:
    """The pose near a given one whose outline fits best, with what depths say to it."""
    poses, outline = best_outlines(model, scene, about, noise_m=noise_m)
    pose = poses[0]
    depth = judge(
        model,
        model.even,
        poses[:1],
        scene,
        np.full(4, np.nan),
        tolerance=Tolerance(least_m=LAST_LIMIT * model.diameter_m, noise_m=noise_m),
    )
    covariance, num_points = covariance_of(
        model,
        points,
        pose,
        limit_m=LAST_LIMIT * model.diameter_m,
        noise_m=float(noise_at(pose[2, 3], noise_m)),
    )
    return Found(
        model=model,
        pose=pose,
        covariance=joined_covariance(model, pose, covariance, outline.information[0]),
        score=float(certainty(outline)[0]),
        visible=float(depth.visible[0]),
        contradicted=float(depth.violated[0]),
        num_points=num_points,
        alternatives=pose @ model.equivalents[1:],
    )
