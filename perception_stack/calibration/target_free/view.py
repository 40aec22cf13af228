"""An image by direction: each pixel a step in azimuth and elevation about the optical axis.

In such a view a turn of the camera is a shift for any lens, blur has one size in angle, and the
camera's distortion has been dealt with once and for all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import ColorImage, FloatArray
from perception_stack.geometry.camera import CameraModel

FINEST_RAD = float(np.deg2rad(0.05))
"""No scan tells more finely."""
_NUM_BORDER = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """Brightness by direction.

    Azimuth is atan2(x, z), to the right; elevation is atan2(y, hypot(x, z)), downwards, as pixels
    are counted.

    Attributes:
        brightness: float32 [H, W].
        inside: bool [H, W], whether the camera sees that direction.
        azimuth_rad: Of the first column.
        elevation_rad: Of the first row.
        step_rad: From one pixel to the next.
    """

    brightness: NDArray[np.float32]
    inside: NDArray[np.bool_]
    azimuth_rad: float
    elevation_rad: float
    step_rad: float

    def mirrored(self) -> View:
        """Left and right exchanged: a picture of the same kind that no scan fits."""
        width = self.brightness.shape[1]
        return replace(
            self,
            brightness=np.ascontiguousarray(self.brightness[:, ::-1]),
            inside=np.ascontiguousarray(self.inside[:, ::-1]),
            azimuth_rad=-(self.azimuth_rad + (width - 1) * self.step_rad),
        )

    def holds(self, points_m: FloatArray, *, margin_rad: float) -> NDArray[np.bool_]:
        """Whether points of the optical frame, float64 [N, 3], lie in the view or close to it."""
        height, width = self.brightness.shape
        azimuth, elevation = directions(points_m)
        right = azimuth - self.azimuth_rad
        down = elevation - self.elevation_rad
        return np.asarray(
            (right > -margin_rad)
            & (right < width * self.step_rad + margin_rad)
            & (down > -margin_rad)
            & (down < height * self.step_rad + margin_rad)
        )


def directions(points_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Azimuth and elevation of points of the optical frame, float64 [N] each."""
    x, y, z = np.asarray(points_m, dtype=np.float64).T
    return np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))


class Resampler:
    """Takes images of one camera to views.

    Args:
        camera: Any model.
        finest_rad: A step is a pixel of the camera, but no less than this.
    """

    def __init__(self, camera: CameraModel, *, finest_rad: float = FINEST_RAD) -> None:
        across, down = directions(camera.rays(_border(camera)))
        self._pixel_rad = 1 / float(camera.k[0, 0])
        self._step_rad = max(finest_rad, self._pixel_rad)
        self._first_rad = float(across.min()), float(down.min())
        height, width = (int(np.ptp(angle) / self._step_rad) + 1 for angle in (down, across))
        azimuth, elevation = np.meshgrid(
            self._first_rad[0] + self._step_rad * np.arange(width),
            self._first_rad[1] + self._step_rad * np.arange(height),
        )
        flat = np.cos(elevation)
        rays = [flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)]
        pixels = camera.project(np.stack(rays, axis=-1).reshape(-1, 3))
        uv = np.nan_to_num(pixels.uv_px, nan=-1e4).astype(np.float32)
        self._columns, self._rows = uv.T.reshape(2, height, width).copy()
        self._inside = pixels.visible.reshape(height, width)

    def look(self, image: ColorImage) -> View:
        """The image by direction."""
        import cv2

        gray: Any = cv2.cvtColor(image.bgr, cv2.COLOR_BGR2GRAY).astype(np.float32)
        if self._step_rad > self._pixel_rad:
            gray = cv2.GaussianBlur(gray, (0, 0), 0.5 * self._step_rad / self._pixel_rad)
        brightness = cv2.remap(
            gray, self._columns, self._rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return View(
            brightness=np.asarray(brightness, dtype=np.float32),
            inside=self._inside,
            azimuth_rad=self._first_rad[0],
            elevation_rad=self._first_rad[1],
            step_rad=self._step_rad,
        )


def _border(camera: CameraModel) -> FloatArray:
    """Pixels along the border of the image, float64 [N, 2]."""
    along = np.linspace(0, 1, _NUM_BORDER)
    sides = [
        np.column_stack(side)
        for side in (
            (along, 0 * along),
            (along, 0 * along + 1),
            (0 * along, along),
            (0 * along + 1, along),
        )
    ]
    return np.concatenate(sides) * [camera.width_px - 1, camera.height_px - 1]
