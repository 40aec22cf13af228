"""A training image: scaled, cut out, mirrored, and exposed as other cameras would have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.training.detector.network import MEAN

_SCALE = (0.65, 1.4)
_LEAST_LEFT = 0.25  # share of a box within the cut below which it is not asked for
_LEAST_PX = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """What a training example shows.

    Attributes:
        bgr: uint8 [H, W, 3].
        xyxy_px: float64 [N, 4], cut at the border.
        kept: int64 [N], rows of the boxes that were given.
        partial: bool [N], so little is left of them that they need not be found.
    """

    bgr: NDArray[np.uint8]
    xyxy_px: FloatArray
    kept: NDArray[np.int64]
    partial: NDArray[np.bool_]


def cut_out(
    bgr: NDArray[np.uint8],
    xyxy_px: FloatArray,
    *,
    size_px: tuple[int, int],
    usual_scale: float,
    rng: np.random.Generator,
) -> Patch:
    """A part of an image at about the scale at which the network will see it, or mirrored.

    Args:
        bgr: uint8 [h, w, 3].
        xyxy_px: float64 [M, 4].
        size_px: Width and height of the patch.
        usual_scale: Pixels of the network's input per pixel of the image.
        rng: Decides.
    """
    import cv2

    scale = usual_scale * float(np.exp(rng.uniform(*np.log(_SCALE))))
    room = np.array(size_px) - scale * np.array(bgr.shape[1::-1])
    # where the image is larger than the patch the offset is negative
    left, top = rng.uniform(np.minimum(room, 0), np.maximum(room, 0))
    sign = -1.0 if rng.random() < 0.5 else 1.0
    moved = np.array([left if sign > 0 else size_px[0] - left, top])
    # boxes count from the border of a pixel, warpAffine from its middle
    shift = moved + 0.5 * np.array([sign * scale - 1, scale - 1])
    matrix = np.array([[sign * scale, 0, shift[0]], [0, scale, shift[1]]])
    way = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
    patch = cv2.warpAffine(bgr, matrix, size_px, flags=way, borderValue=(MEAN, MEAN, MEAN))
    boxes = xyxy_px * scale * np.array([sign, 1, sign, 1]) + np.tile(moved, 2)
    if sign < 0:
        boxes = boxes[:, [2, 1, 0, 3]]
    cut = np.clip(boxes, 0, np.tile(size_px, 2))
    side, whole = cut[:, 2:] - cut[:, :2], boxes[:, 2:] - boxes[:, :2]
    kept = np.flatnonzero((side > 0).all(axis=1))
    left_over = side.prod(axis=1) / np.maximum(whole.prod(axis=1), 1e-9)
    partial = (left_over < _LEAST_LEFT) | (side < _LEAST_PX).any(axis=1)
    return Patch(
        bgr=np.asarray(patch, dtype=np.uint8), xyxy_px=cut[kept], kept=kept, partial=partial[kept]
    )


def exposed(bgr: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another exposure: gain, contrast, gamma, white balance; at times grey, blurred or noisy."""
    import cv2

    level = np.arange(256) / 255
    gamma, contrast = np.exp(rng.uniform(-0.35, 0.35)), rng.uniform(0.7, 1.3)
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.88, 1.12, 3)
    curve = ((level**gamma - 0.5) * contrast + 0.5)[:, None] * gain + rng.uniform(-0.06, 0.06)
    table = np.clip(255 * curve, 0, 255).astype(np.uint8).reshape(1, 256, 3)
    picture = np.asarray(cv2.LUT(bgr, table))
    if rng.random() < 0.08:
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        picture = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    if rng.random() < 0.2:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.2)))
    if rng.random() < 0.3:
        noise = rng.standard_normal(picture.shape, dtype=np.float32) * rng.uniform(1, 8)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return picture.astype(np.uint8, copy=False)
