"""Where an image has edges, which way they run, and how that looks from farther away."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.target_free.view import View
from perception_stack.geometry.compiled import compiled

CHANNELS = 5
_FINE_RAD, _NEAR_RAD, _AROUND_RAD = np.deg2rad(0.08), np.deg2rad(2.0), np.deg2rad(3.0)
_FLAT = 0.3
_BORDER_PX = 7


class ImageEdges:
    """Edge maps of one view at any blur.

    A gradient counts by how much it stands out of those around it and saturates, so that neither
    a dark corner nor the one hard shadow decides. With the normalised gradient g = (gx, gy), a
    map holds g gᵀ (three channels) less its mean over the neighbourhood, and g (two channels),
    blurred. The first answer an edge of unknown sign with normal n by nᵀ(g gᵀ - mean)n, which is
    zero on average wherever nothing is aligned, be it a wall or a hedge; the others an edge of
    known sign by n·g.
    """

    def __init__(self, view: View) -> None:
        import cv2

        self.view, self._step_rad = view, view.step_rad
        smooth = self._blurred(view.brightness, max(_FINE_RAD, view.step_rad))
        kernel = np.ones((_BORDER_PX, _BORDER_PX), dtype=np.uint8)
        inside = cv2.erode(view.inside.astype(np.float32), kernel)
        gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8) * inside
        gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8) * inside
        energy = gx**2 + gy**2
        seen = np.maximum(self._mean(inside, _AROUND_RAD), 1e-2)
        floor = _FLAT * float(energy.sum()) / max(float(inside.sum()), 1.0) + 1e-6
        around = self._mean(energy, _AROUND_RAD) / seen + floor
        scale = 1 / np.sqrt(around + energy)
        x, y = gx * scale, gy * scale
        self._raw = np.stack([x * x, x * y, y * y, x, y], axis=-1)
        self._inside = inside
        self._around: dict[float, NDArray[np.float32]] = {}

    def at(self, blur_rad: float) -> NDArray[np.float32]:
        """The maps at a blur, float32 [H, W, 5]: g gᵀ less its mean (xx, xy, yy), gx, gy."""
        maps = self._blurred(self._raw, blur_rad)
        wide_rad = max(_NEAR_RAD, 3 * blur_rad)
        if wide_rad not in self._around:
            self._around[wide_rad] = self._mean(self._raw, wide_rad)
        seen = np.maximum(self._mean(self._inside, wide_rad), 1e-2)
        share = np.asarray(self._blurred(self._inside, blur_rad) / seen, dtype=np.float32)
        _subtract(maps, self._around[wide_rad], share)
        return maps

    def _blurred(self, values: NDArray[Any], sigma_rad: float) -> NDArray[np.float32]:
        import cv2

        sigma_px = max(sigma_rad / self._step_rad, 0.3)
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_px), dtype=np.float32)

    def _mean(self, values: NDArray[Any], sigma_rad: float) -> NDArray[np.float32]:
        """Over a square as wide as a Gaussian of that sigma, at a cost that does not grow."""
        import cv2

        size = 2 * round(np.sqrt(3) * sigma_rad / self._step_rad) + 1
        return np.asarray(
            cv2.blur(values, (size, size), borderType=cv2.BORDER_REFLECT), dtype=np.float32
        )


@compiled
def _subtract(
    maps: NDArray[np.float32], mean: NDArray[np.float32], share: NDArray[np.float32]
) -> None:
    """A share of the mean from the first three channels."""
    for row in range(maps.shape[0]):
        for column in range(maps.shape[1]):
            for k in range(3):
                maps[row, column, k] -= mean[row, column, k] * share[row, column]
