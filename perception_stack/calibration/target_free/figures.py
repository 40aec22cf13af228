"""Scans over images, before and after, for the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.target_free.calibrate import AlignedFrame
from perception_stack.errors import CalibrationError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.report.page import Picture, Section
from perception_stack.report.style import data_uri

_MOST_FRAMES, _WIDTH_PX, _QUALITY = 3, 960, 80
_NEAR_M, _FAR_M = 3.0, 80.0


def overlay_section(
    frames: Sequence[AlignedFrame],
    camera: CameraModel,
    *,
    start: RigidTransform,
    found: RigidTransform,
) -> Section:
    """Points over the first images, coloured by depth, under the start and under the result."""
    pictures = [
        Picture(
            uri=data_uri(_jpeg(draw(one, camera, pose)), "image/jpeg"),
            alt=f"points of the scan over image {one.name}",
            wide=True,
            caption=f"{one.name}, {what}",
        )
        for one in frames[:_MOST_FRAMES]
        for what, pose in (("start", start), ("result", found))
    ]
    return Section(
        title="Scan over image",
        intro="Near points are red, far ones blue. Under the result, colours change where objects "
        "end.",
        pictures=tuple(pictures),
    )


def draw(
    frame: AlignedFrame, camera: CameraModel, camera_from_lidar: RigidTransform
) -> NDArray[np.uint8]:
    """An image with the points of its scan, uint8 [H, W, 3], BGR."""
    import cv2

    seen = camera.project(camera_from_lidar.apply(frame.cloud.xyz_m.astype(np.float64)))
    depth_m = np.clip(seen.depth_m[seen.visible], _NEAR_M, _FAR_M)
    share = np.log(_FAR_M / depth_m) / np.log(_FAR_M / _NEAR_M)
    colours = cv2.applyColorMap(
        np.round(255 * share).astype(np.uint8)[:, None], cv2.COLORMAP_TURBO
    )
    scale = min(1.0, _WIDTH_PX / camera.width_px)
    picture = cv2.resize(frame.image.bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    at = np.round(seen.uv_px[seen.visible] * scale).astype(int)
    height, width = picture.shape[:2]
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row = np.clip(at[:, 1] + down, 0, height - 1)
        picture[row, np.clip(at[:, 0] + right, 0, width - 1)] = colours[:, 0]
    return np.asarray(picture)


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    import cv2

    done, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise CalibrationError("the image could not be written as JPEG")
    return bytes(content)
