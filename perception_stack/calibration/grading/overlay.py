"""Points of scans over images: the picture of a LiDAR's place in a camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.errors import CalibrationError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.report.page import Picture, Section
from perception_stack.report.style import data_uri

_MOST_SHOTS, _WIDTH_PX, _QUALITY = 3, 960, 80
_NEAR_M, _FAR_M = 3.0, 80.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """An image and points of the same moment.

    Attributes:
        name: For people.
        bgr: uint8 [H, W, 3].
        points_m: float32 [N, 3], in the LiDAR; NaN is passed over.
    """

    name: str
    bgr: NDArray[np.uint8]
    points_m: NDArray[np.float32]


def overlay_section(
    shots: Sequence[Shot], camera: CameraModel, poses: Mapping[str, RigidTransform]
) -> Section:
    """Points over the first images, coloured by depth.

    Args:
        shots: Of one camera and one LiDAR.
        camera: Of the images.
        poses: Camera from LiDAR by what it is called, such as start and result.
    """
    return Section(
        title="Scan over image",
        intro="Near points are red, far ones blue. Under the result, colours change where objects "
        "end.",
        pictures=tuple(
            Picture(
                uri=data_uri(_jpeg(_drawn(one, camera, pose)), "image/jpeg"),
                alt=f"points of the scan over image {one.name}",
                wide=True,
                caption=f"{one.name}, {what}",
            )
            for one in shots[:_MOST_SHOTS]
            for what, pose in poses.items()
        ),
    )


def _drawn(
    shot: Shot, camera: CameraModel, camera_from_lidar: RigidTransform
) -> NDArray[np.uint8]:
    import cv2

    seen = camera.project(camera_from_lidar.apply(shot.points_m.astype(np.float64)))
    depth_m = np.clip(seen.depth_m[seen.visible], _NEAR_M, _FAR_M)
    share = np.log(_FAR_M / depth_m) / np.log(_FAR_M / _NEAR_M)
    colours = cv2.applyColorMap(
        np.round(255 * share).astype(np.uint8)[:, None], cv2.COLORMAP_TURBO
    )
    scale = min(1.0, _WIDTH_PX / camera.width_px)
    picture = cv2.resize(shot.bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
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
