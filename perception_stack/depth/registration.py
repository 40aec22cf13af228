"""A depth image as the colour camera beside it would measure it.

Every pixel of the depth camera is a small square of surface facing it. It is drawn with the size
it has in the colour image, and where several fall on one pixel the nearest stays: no holes where
the colour image is finer, nothing hidden shines through.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import DepthImage, check_shape
from perception_stack.depth.rays import pixel_rays
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import RigidTransform


def register(
    depth: DepthImage,
    depth_camera: CameraModel,
    color_camera: CameraModel,
    color_from_depth: RigidTransform,
) -> DepthImage:
    """Depth along the colour camera's axis, at the colour camera's pixels.

    Args:
        depth: NaN, zero or infinite where there is no measurement.
        depth_camera: Of the depth image.
        color_camera: Whose pixels are wanted.
        color_from_depth: From the depth camera's optical frame to the colour camera's.

    Returns:
        In ``color_camera.frame_id``, with the stamp of ``depth``; NaN where nothing was measured.

    Raises:
        FrameMismatchError: the image or the transform is of other frames than the cameras.
        ShapeError: the image is not as large as the depth camera's.
    """
    for what, expected, received in (
        ("depth image", depth_camera.frame_id, depth.frame_id),
        ("source of the transform", depth_camera.frame_id, color_from_depth.source),
        ("target of the transform", color_camera.frame_id, color_from_depth.target),
    ):
        if expected != received:
            raise FrameMismatchError(what, expected=expected, received=received)
    check_shape("depth_m", depth.depth_m, depth_camera.height_px, depth_camera.width_px)
    points_m = _points(
        depth.depth_m,
        pixel_rays(depth_camera),
        color_from_depth.rotation,
        color_from_depth.translation_m,
    )
    uv_px = color_camera.project(points_m[:, :3]).uv_px
    focal = color_camera.k[[0, 1], [0, 1]] / depth_camera.k[[0, 1], [0, 1]]
    depth_m = _draw(
        points_m, uv_px, focal[0], focal[1], color_camera.height_px, color_camera.width_px
    )
    return DepthImage(frame_id=color_camera.frame_id, stamp_ns=depth.stamp_ns, depth_m=depth_m)


@compiled
def _points(depth_m: Any, rays: Any, rotation: Any, translation_m: Any) -> Any:
    """Measured points, [N, 4]: x, y, z in the colour camera's frame, and depth as measured."""
    points_m = np.empty((depth_m.size, 4))
    n = 0
    for i in range(depth_m.shape[0]):
        for j in range(depth_m.shape[1]):
            z = depth_m[i, j]
            if not (z > 0 and z < np.inf):
                continue
            x, y = rays[i, j, 0] * z, rays[i, j, 1] * z
            for k in range(3):
                points_m[n, k] = (
                    rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z + translation_m[k]
                )
            points_m[n, 3] = z
            n += 1
    return points_m[:n]


@compiled
def _draw(points_m: Any, uv_px: Any, wide: float, high: float, height: int, width: int) -> Any:
    """Squares of half a pixel of the depth camera to all sides; the nearest stays."""
    depth_m = np.full((height, width), np.float32(np.nan), dtype=np.float32)
    for n in range(len(points_m)):
        u, v, z = uv_px[n, 0], uv_px[n, 1], points_m[n, 2]
        if not (z > 0 and u > -width and u < 2 * width and v > -height and v < 2 * height):
            continue
        # half a pixel at least, or squares smaller than a pixel fall between the pixels
        half_u = max(wide * points_m[n, 3] / z, 1.0) / 2
        half_v = max(high * points_m[n, 3] / z, 1.0) / 2
        for row in range(max(int(np.ceil(v - half_v)), 0), min(int(v + half_v) + 1, height)):
            for col in range(max(int(np.ceil(u - half_u)), 0), min(int(u + half_u) + 1, width)):
                if not depth_m[row, col] <= z:
                    depth_m[row, col] = z
    return depth_m
