"""The direction of every pixel of a camera, made once per calibration."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

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
