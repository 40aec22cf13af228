"""How well poses explain the depth image, counting also where there is nothing.

A fit of points alone cannot tell a can from its mirror image upside down. The model's visible
surface must be where the camera measured it; where the camera looked past it into free space
the pose is contradicted; where something stands before it nothing is known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.camera import CameraModel
from perception_stack.pose.surface import Surface

_FACING = -0.15
_HIDDEN_WEIGHT = 0.3


def explained(
    model: Surface,
    poses: FloatArray,
    depth_m: NDArray[np.float32],
    camera: CameraModel,
    *,
    tolerance_m: float,
) -> FloatArray:
    """Share of the visible model surface that the depth image confirms, float64 [H] in [0, 1].

    Args:
        model: The object.
        poses: float64 [H, 4, 4], scene from model.
        depth_m: float32 [H, W], NaN where not measured.
        camera: Of the depth image.
        tolerance_m: Depths that differ less agree.
    """
    turned = poses[:, :3, :3].transpose(0, 2, 1)
    points = model.points_m @ turned + poses[:, None, :3, 3]
    normals = model.normals @ turned
    away = np.einsum("hni,hni->hn", normals, points) / np.linalg.norm(points, axis=2)
    projected = camera.project(points.reshape(-1, 3))
    front = projected.visible & (away < _FACING).ravel()
    uv = np.rint(projected.uv_px[front]).astype(int)
    gap = np.full(len(front), np.nan)
    gap[front] = depth_m[uv[:, 1], uv[:, 0]] - projected.depth_m[front]
    gap = gap.reshape(away.shape)
    confirmed = (np.abs(gap) <= tolerance_m).sum(axis=1)  # False for NaN
    agreement = np.fmax(1 - (gap / tolerance_m) ** 2, 0).sum(axis=1)
    contradicted = (gap > tolerance_m).sum(axis=1)
    hidden = front.reshape(away.shape).sum(axis=1) - confirmed - contradicted
    # what is hidden or not measured neither helps nor harms, but little evidence is little worth
    weight = confirmed + contradicted + _HIDDEN_WEIGHT * hidden
    return agreement / np.maximum(weight, 1)
