"""An image as a network wants it, and boxes back in the pixels of the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.detection.manifest import InputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What goes into the network.

    Attributes:
        tensor: float32 [1, 3, H, W].
        scale_xy: float64 [2], input pixels per image pixel.
        size_px: Width and height of the image.
    """

    tensor: NDArray[np.float32]
    scale_xy: FloatArray
    size_px: tuple[int, int]

    def to_image(self, xyxy_px: FloatArray) -> FloatArray:
        """Boxes of the input, float64 [N, 4], in pixels of the image, cut at its border."""
        boxes = xyxy_px / np.tile(self.scale_xy, 2)
        width, height = self.size_px
        clipped: FloatArray = np.clip(boxes, 0.0, np.array([width, height, width, height]))
        return clipped


def feed(bgr: NDArray[np.uint8], spec: InputSpec) -> Fed:
    """Resize, order and scale an image.

    Args:
        bgr: uint8 [H, W, 3], not empty.
        spec: What the network wants.
    """
    import cv2

    height, width = bgr.shape[:2]
    scale_xy = np.array([spec.width_px / width, spec.height_px / height])
    if spec.resize == "letterbox":
        scale_xy[:] = scale_xy.min()
    new_width = min(spec.width_px, max(1, int(width * scale_xy[0])))
    new_height = min(spec.height_px, max(1, int(height * scale_xy[1])))
    resized = cv2.resize(bgr, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    if spec.colour == "rgb":
        resized = resized[:, :, ::-1]
    canvas = np.full((spec.height_px, spec.width_px, 3), spec.pad, dtype=np.float32)
    canvas[:new_height, :new_width] = resized
    if any(spec.mean):
        canvas -= np.array(spec.mean, dtype=np.float32)
    if spec.std != (1.0, 1.0, 1.0):
        canvas /= np.array(spec.std, dtype=np.float32)
    tensor = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None])
    return Fed(tensor=tensor, scale_xy=scale_xy, size_px=(width, height))
