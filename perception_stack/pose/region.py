"""The part of a depth image that belongs to a detection."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.camera import CameraModel

_CENTRE_SHARE = 0.5
_FOREGROUND_PERCENTILE = 20.0


def object_points(
    depth_m: np.ndarray,
    xyxy_px: FloatArray,
    camera: CameraModel,
    *,
    diameter_m: float,
    border: float,
) -> FloatArray:
    """Points that may lie on an object, in the camera's frame.

    The front of the object is looked for in the middle of its box; what is farther behind or
    before it than the object is large belongs to something else.

    Args:
        depth_m: float32 [H, W], NaN where not measured.
        xyxy_px: float64 [4], box of the detection.
        camera: Of the depth image.
        diameter_m: How large the object is.
        border: How far the box is grown on each side, relative to it.

    Returns:
        float64 [N, 3]; N is 0 where nothing is measured.
    """
    height, width = depth_m.shape
    size = xyxy_px[2:] - xyxy_px[:2]
    low = np.maximum(np.floor(xyxy_px[:2] - border * size), 0).astype(int)
    high = np.minimum(np.ceil(xyxy_px[2:] + border * size) + 1, (width, height)).astype(int)
    if (high <= low).any():
        return np.empty((0, 3))
    patch = depth_m[low[1] : high[1], low[0] : high[0]].astype(np.float64)
    v, u = np.nonzero(patch > 0)  # False for NaN
    if not len(u):
        return np.empty((0, 3))
    uv_px = np.stack([u, v], axis=1) + low
    depth = patch[v, u]
    middle = (xyxy_px[:2] + xyxy_px[2:]) / 2
    central = (np.abs(uv_px - middle) <= _CENTRE_SHARE / 2 * size).all(axis=1)
    front = np.percentile(depth[central] if central.any() else depth, _FOREGROUND_PERCENTILE)
    near = np.abs(depth - front) <= diameter_m
    return camera.rays(uv_px[near].astype(np.float64)) * depth[near, None]
