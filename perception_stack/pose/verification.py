"""How well a pose explains the depth image, counting also where there is nothing.

A fit of points alone cannot tell a can from its mirror image upside down. The model's visible
surface must be where the camera measured it; where the camera looked past it into free space
the pose is contradicted; where something stands before it nothing is known.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.camera import CameraModel
from perception_stack.pose.surface import Surface

_TOLERANCE_SPACINGS = 1.0
_FACING = -0.15


def explained(
    model: Surface,
    scene_from_model: FloatArray,
    depth_m: np.ndarray,
    camera: CameraModel,
) -> float:
    """Share of the visible model surface that the depth image confirms, in [0, 1].

    Args:
        model: The object.
        scene_from_model: Its pose in the camera's frame.
        depth_m: float32 [H, W], NaN where not measured.
        camera: Of the depth image.
    """
    points = model.points_m @ scene_from_model[:3, :3].T + scene_from_model[:3, 3]
    normals = model.normals @ scene_from_model[:3, :3].T
    view = points / np.linalg.norm(points, axis=1, keepdims=True)
    projected = camera.project(points)
    front = projected.visible & (np.einsum("ni,ni->n", normals, view) < _FACING)
    uv = np.rint(projected.uv_px[front]).astype(int)
    if not len(uv):
        return 0.0
    measured = depth_m[uv[:, 1], uv[:, 0]]
    gap = measured - points[front, 2]
    tolerance = _TOLERANCE_SPACINGS * model.spacing_m
    confirmed = np.abs(gap) <= tolerance  # False for NaN
    contradicted = gap > tolerance
    hidden = ~confirmed & ~contradicted
    # what is hidden or not measured neither helps nor harms, but little evidence is little worth
    weight = confirmed.sum() + contradicted.sum() + 0.3 * hidden.sum()
    return float(confirmed.sum() / weight)
