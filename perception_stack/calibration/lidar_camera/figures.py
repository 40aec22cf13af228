"""Pictures of a LiDAR-camera calibration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.lidar_camera.calibrate import LidarCamera
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.report.page import Picture, Section, Table
from perception_stack.report.style import BLUE, RED, data_uri, new_figure, svg_uri

_AXES = ("long side", "short side", "normal")
_NEAREST_M, _FARTHEST_M = 1.0, 10.0
_JPEG_QUALITY = 80


def overlay_section(
    gray: NDArray[np.uint8],
    points_m: FloatArray,
    camera: CameraModel,
    transforms: Mapping[str, RigidTransform],
) -> Section:
    """Points of the LiDAR over an image, near ones red, far ones blue.

    Args:
        gray: uint8 [H, W].
        points_m: float64 [N, 3] of the same moment.
        camera: Of the image.
        transforms: ``lidar_from_camera`` by what it is called, such as before and after.
    """
    return Section(
        title="Points over the image",
        intro="Edges of the board in points and in pixels should meet.",
        pictures=tuple(
            Picture(
                uri=_overlay(gray, points_m, camera, transform), alt=name, wide=True, caption=name
            )
            for name, transform in transforms.items()
        ),
    )


def _overlay(
    gray: NDArray[np.uint8],
    points_m: FloatArray,
    camera: CameraModel,
    lidar_from_camera: RigidTransform,
) -> str:
    import cv2

    finite = points_m[np.isfinite(points_m).all(axis=1)]
    seen = camera.project(lidar_from_camera.inverse().apply(finite))
    share = (seen.depth_m - _NEAREST_M) / (_FARTHEST_M - _NEAREST_M)
    level = (255 * (1 - np.clip(share, 0, 1))).astype(np.uint8)
    color = cv2.applyColorMap(level[:, None], cv2.COLORMAP_JET)[:, 0]
    image = cv2.cvtColor(gray // 2 + 60, cv2.COLOR_GRAY2BGR)
    for (u, v), bgr in zip(seen.uv_px[seen.visible], color[seen.visible], strict=True):
        cv2.circle(image, (round(u), round(v)), 2, bgr.tolist(), -1)
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return data_uri(jpeg.tobytes(), "image/jpeg")


def boards_section(result: LidarCamera) -> Section:
    """How far the boards of both sensors are apart, each held out."""
    names = [one.name for one in result.grade.observations]
    used = [one.used for one in result.grade.observations]
    distance_mm = 1000 * np.linalg.norm(result.errors_m, axis=2)
    colors = [BLUE if one else RED for one in used]
    with new_figure(width_in=7.5) as (figure, (axes,)):
        rows = np.arange(len(names))
        axes.bar(rows, distance_mm.mean(axis=1), color=colors, width=0.7)
        axes.plot(rows, distance_mm[:, 4], "k_", ms=9, label="centre")
        axes.set_xticks(rows, names, rotation=60, fontsize=7)
        axes.set(ylabel="mean distance of corners and centre [mm]")
        axes.legend()
        bars = svg_uri(figure)
    cells = tuple(
        (name, f"{1000 * shift:.1f}", f"{np.rad2deg(turn):.2f}")
        for name, shift, turn in zip(_AXES, result.sigma[:3], result.sigma[3:], strict=True)
    )
    return Section(
        title="Boards",
        intro="Distance between what the camera and the LiDAR say, each board under a result that "
        "was found without it; red ones were left out of all results.",
        pictures=(Picture(uri=bars, alt="errors of boards", wide=True),),
        tables=(
            Table(
                header=(
                    ("typical error of a board", ""),
                    ("along [mm]", "standard deviation"),
                    ("about [°]", "standard deviation"),
                ),
                rows=cells,
            ),
        ),
    )
