"""Colour decides between poses that are the same by shape: the front and the back of a box."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.pose.models import PoseModel
from perception_stack.pose.scene import Scene

_LEAST_SEEN = 30


def likeness(
    model: PoseModel, poses: FloatArray, scene: Scene, *, tolerance_m: float
) -> FloatArray:
    """Correlation of the model's colours with those seen, for each pose, float64 [H] in [-1, 1].

    Brightness and tint of the light drop out: each channel is compared by its deviations from
    the mean over the object.

    Args:
        model: An object with colours.
        poses: float64 [H, 4, 4], scene from model.
        scene: A frame with colours.
        tolerance_m: Depths that differ by more are of something else.
    """
    surface = model.fine
    result = np.zeros(len(poses))
    for row, pose in enumerate(poses):
        points_m = surface.points_m @ pose[:3, :3].T + pose[:3, 3]
        facing = np.einsum("ni,ni->n", surface.normals @ pose[:3, :3].T, points_m) < 0
        rows, cols, inside = scene.pixels_of(points_m[facing])
        seen = np.abs(scene.depth_m[rows, cols] - points_m[facing][inside, 2]) < tolerance_m
        if seen.sum() < _LEAST_SEEN:
            continue
        there = scene.rgb[rows[seen], cols[seen]].astype(np.float64)
        here = model.known.rgb[facing][inside][seen].astype(np.float64)
        there -= there.mean(axis=0)
        here -= here.mean(axis=0)
        spread = np.sqrt((there**2).sum() * (here**2).sum())
        result[row] = (there * here).sum() / max(spread, 1e-9)
    return result
