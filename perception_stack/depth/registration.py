"""A depth image as the colour camera beside it would measure it.

Every pixel of the depth camera is a small piece of surface that reaches half-way to its neighbours
on the same surface. It is drawn with the size it has in the colour image, and where several fall
on one pixel the nearest stays: no holes where the colour image is finer or sees a surface less
slanted, nothing hidden shines through.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import DepthImage, check_shape
from perception_stack.depth.grid import GRAZING
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
        np.array(depth.depth_m, order="C"),
        pixel_rays(depth_camera),
        color_from_depth.rotation,
        color_from_depth.translation_m,
    )
    uv_px = color_camera.project(points_m).uv_px
    depth_m = _draw(
        points_m[:, 2].reshape(depth.depth_m.shape),
        uv_px.reshape(*depth.depth_m.shape, 2),
        color_camera.k[[0, 1], [0, 1]] / depth_camera.k[[0, 1], [0, 1]],
        GRAZING / depth_camera.k[0, 0],
        np.full((color_camera.height_px, color_camera.width_px), np.nan, dtype=np.float32),
    )
    return DepthImage(frame_id=color_camera.frame_id, stamp_ns=depth.stamp_ns, depth_m=depth_m)


@compiled
def _points(depth_m: Any, rays: Any, rotation: Any, translation_m: Any) -> Any:
    """Points of all pixels in the colour camera's frame, [H * W, 3]; NaN where there are none."""
    height, width = depth_m.shape
    points_m = np.full((height * width, 3), np.nan)
    for i in range(height):
        for j in range(width):
            z = depth_m[i, j]
            if z > 0 and z < np.inf:
                x, y = rays[i, j, 0] * z, rays[i, j, 1] * z
                for k in range(3):
                    turned = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z
                    points_m[i * width + j, k] = turned + translation_m[k]
    return points_m


@compiled
def _draw(z_m: Any, uv_px: Any, scale: Any, step: float, drawn_m: Any) -> Any:
    """Rectangles over what each pixel covers, the nearest of which stays."""
    height, width = drawn_m.shape
    for i in range(z_m.shape[0]):
        for j in range(z_m.shape[1]):
            z, u, v = z_m[i, j], uv_px[i, j, 0], uv_px[i, j, 1]
            if not (abs(u - width / 2) < width and abs(v - height / 2) < height):
                continue  # NaN too
            # half a pixel at least, or what is smaller falls between the pixels
            half_u, half_v = max(scale[0], 1.0) / 2, max(scale[1], 1.0) / 2
            low_u, high_u, low_v, high_v = u - half_u, u + half_u, v - half_v, v + half_v
            for d in range(4):
                ii, jj = i + (d == 1) - (d == 3), j + (d == 0) - (d == 2)
                if not (0 <= ii < z_m.shape[0] and 0 <= jj < z_m.shape[1]):
                    continue
                if abs(z_m[ii, jj] - z) < step * z:
                    middle_u, middle_v = (u + uv_px[ii, jj, 0]) / 2, (v + uv_px[ii, jj, 1]) / 2
                    low_u, high_u = min(low_u, middle_u), max(high_u, middle_u)
                    low_v, high_v = min(low_v, middle_v), max(high_v, middle_v)
            for row in range(max(int(np.ceil(low_v)), 0), min(int(high_v) + 1, height)):
                for col in range(max(int(np.ceil(low_u)), 0), min(int(high_u) + 1, width)):
                    if not drawn_m[row, col] <= z:
                        drawn_m[row, col] = z
    return drawn_m
