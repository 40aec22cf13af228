"""The part of a depth image that belongs to a detection."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.camera import CameraModel
from perception_stack.pose.support import above_support

_CENTRE_SHARE = 0.5
_REACH_DIAMETERS = 2.0
_RING_SHARE = 0.4
_MOST_PIXELS = 20_000


def object_points(
    depth_m: NDArray[np.float32],
    xyxy_px: FloatArray,
    camera: CameraModel,
    *,
    diameter_m: float,
    border: float,
    noise_m: float,
) -> FloatArray:
    """Points that may lie on an object, in the camera's frame.

    What is much farther behind or before the middle of the box than the object is large belongs
    to something else, and so does the plane that most of the surroundings lie on.

    Args:
        depth_m: float32 [H, W], NaN where not measured.
        xyxy_px: float64 [4], box of the detection.
        camera: Of the depth image.
        diameter_m: How large the object is.
        border: How far the box is grown on each side, relative to it.
        noise_m: Standard deviation of a depth.

    Returns:
        float64 [N, 3]; N is 0 where nothing is measured.
    """
    size = xyxy_px[2:] - xyxy_px[:2]
    if not (np.isfinite(xyxy_px).all() and (size > 0).all()):
        return np.empty((0, 3))
    uv_px, depth = _pixels(depth_m, xyxy_px, (border + _RING_SHARE) * size)
    off_middle = np.abs(uv_px - (xyxy_px[:2] + xyxy_px[2:]) / 2) / size
    inside = np.asarray((off_middle <= 0.5 + border).all(axis=1))
    if not inside.any():
        return np.empty((0, 3))
    central = (off_middle <= _CENTRE_SHARE / 2).all(axis=1)
    middle_m = float(np.median(depth[central if central.any() else inside]))
    near = np.abs(depth - middle_m) <= _REACH_DIAMETERS * diameter_m
    points_m = camera.rays(uv_px[near]) * depth[near, None]
    return above_support(points_m[inside[near]], points_m[~inside[near]], noise_m=noise_m)


def _pixels(
    depth_m: NDArray[np.float32], xyxy_px: FloatArray, margin_px: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Measured pixels [N, 2] and depths [N] around a box, thinned evenly where there are many."""
    height, width = depth_m.shape
    low = np.clip(np.floor(xyxy_px[:2] - margin_px), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(xyxy_px[2:] + margin_px) + 1, 0, (width, height)).astype(int)
    stride = int(np.ceil(np.sqrt(max(np.prod(high - low), 1) / _MOST_PIXELS)))
    patch = depth_m[low[1] : high[1] : stride, low[0] : high[0] : stride].astype(np.float64)
    v, u = np.nonzero((patch > 0) & np.isfinite(patch))
    return np.stack([u, v], axis=1) * float(stride) + low, patch[v, u]
