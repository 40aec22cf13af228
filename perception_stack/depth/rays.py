"""The direction of every pixel of a camera, made once per calibration, and the points there."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import DepthImage, check_shape
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.camera import CameraModel


def pixel_rays(camera: CameraModel) -> NDArray[np.float32]:
    """Rays of all pixels, x and y where z is 1, float32 [H, W, 2]; not to be written to.

    A driver sends the same calibration with each image, so the last few are kept.
    """
    return _rays(
        camera.width_px,
        camera.height_px,
        tuple(camera.k.ravel().tolist()),
        camera.distortion_model,
        tuple(camera.distortion.tolist()),
    )


def organised_cloud(depth: DepthImage, camera: CameraModel) -> NDArray[np.float32]:
    """Points of all pixels in the camera's frame, float32 [H, W, 3]; NaN where there is none.

    Point [i, j] belongs to pixel [i, j] of the depth image, and of the colour image to which
    :func:`~perception_stack.depth.registration.register` brought it.

    Args:
        depth: NaN, zero, negative or infinite where there is no measurement.
        camera: Of the depth image.

    Raises:
        FrameMismatchError: an image in another frame than the camera's.
        ShapeError: the image is not as large as the camera's.
    """
    if depth.frame_id != camera.frame_id:
        raise FrameMismatchError("depth image", expected=camera.frame_id, received=depth.frame_id)
    check_shape("depth_m", depth.depth_m, camera.height_px, camera.width_px)
    measured = np.isfinite(depth.depth_m) & (depth.depth_m > 0)
    depth_m = np.where(measured, depth.depth_m, np.float32(np.nan))[..., None]
    cloud: NDArray[np.float32] = np.concatenate([pixel_rays(camera) * depth_m, depth_m], axis=2)
    return cloud


@lru_cache(maxsize=4)
def _rays(
    width_px: int, height_px: int, k: tuple[float, ...], model: str, distortion: tuple[float, ...]
) -> NDArray[np.float32]:
    matrix = np.array(k).reshape(3, 3)
    camera = CameraModel(
        frame_id="",
        width_px=width_px,
        height_px=height_px,
        k=matrix,
        distortion_model=model,
        distortion=np.array(distortion),
        rectification=np.eye(3),
        projection=np.hstack([matrix, np.zeros((3, 1))]),
    )
    v, u = np.mgrid[:height_px, :width_px]
    pixels = np.column_stack([u.ravel(), v.ravel()]).astype(np.float64)
    rays = camera.rays(pixels)[:, :2].reshape(height_px, width_px, 2).astype(np.float32)
    rays.flags.writeable = False
    return rays
