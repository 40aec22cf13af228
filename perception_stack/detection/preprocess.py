"""An image as a network wants it, and boxes back in the pixels of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.detection.manifest import InputSpec
from perception_stack.geometry.compiled import compiled


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where an image lies in the network's input.

    Attributes:
        scale_xy: float64 [2], input pixels per image pixel.
        corner_px: Column and row of the image's top left pixel in the input.
        inner_px: Width and height of the image in the input.
        size_px: Width and height of the image.
    """

    scale_xy: FloatArray
    corner_px: tuple[int, int]
    inner_px: tuple[int, int]
    size_px: tuple[int, int]

    def to_image(self, xyxy_px: FloatArray) -> FloatArray:
        """Boxes of the input, float64 [N, 4], in pixels of the image, cut at its border."""
        boxes = self.edges_to_image(xyxy_px)
        width, height = self.size_px
        clipped: FloatArray = np.clip(boxes, 0.0, np.array([width, height, width, height]))
        return clipped

    def edges_to_image(self, xyxy_px: FloatArray) -> FloatArray:
        """Boxes of the input, float64 [N, 4] or [4], in pixels of the image, not cut."""
        boxes: FloatArray = (xyxy_px - np.tile(self.corner_px, 2)) / np.tile(self.scale_xy, 2)
        return boxes

    def keypoints_to_image(self, keypoints: FloatArray) -> FloatArray:
        """Column, row and score, float64 [N, K, 3], in pixels of the image."""
        uv_px = (keypoints[:, :, :2] - self.corner_px) / self.scale_xy
        return np.concatenate([uv_px, keypoints[:, :, 2:]], axis=2)

    def rotated_to_image(self, rotated: FloatArray) -> FloatArray:
        """Oriented boxes, float64 [N, 5], in pixels of an image that was not stretched."""
        center = (rotated[:, :2] - self.corner_px) / self.scale_xy
        return np.hstack([center, rotated[:, 2:4] / self.scale_xy, rotated[:, 4:]])


def place(size_px: tuple[int, int], spec: InputSpec) -> Placement:
    """Where an image of some width and height comes to lie."""
    width, height = size_px
    scale_xy = np.array([spec.width_px / width, spec.height_px / height])
    if spec.resize != "stretch":
        scale_xy[:] = scale_xy.min()
    inner_width = min(spec.width_px, max(1, int(width * scale_xy[0])))
    inner_height = min(spec.height_px, max(1, int(height * scale_xy[1])))
    corner_px = (0, 0)
    if spec.resize == "letterbox_center":
        corner_px = ((spec.width_px - inner_width) // 2, (spec.height_px - inner_height) // 2)
    return Placement(
        scale_xy=scale_xy,
        corner_px=corner_px,
        inner_px=(inner_width, inner_height),
        size_px=size_px,
    )


class Feeder:
    """Writes images into a network's input.

    The input is one buffer, used again for every image; its margins are written only when the
    size of the images changes. Of grey values there are 256, so their scaling is looked up.

    Args:
        spec: What the network wants.
        most: Images that it takes at once.
    """

    def __init__(self, spec: InputSpec, most: int = 1) -> None:
        self._spec = spec
        self._tensor = np.empty((most, 3, spec.height_px, spec.width_px), dtype=np.float32)
        mean = np.array(spec.mean, dtype=np.float32)[:, None]
        std = np.array(spec.std, dtype=np.float32)[:, None]
        self._table = (np.arange(256, dtype=np.float32) - mean) / std
        self._margin = (np.float32(spec.pad) - mean) / std
        self._order = np.array([0, 1, 2] if spec.colour == "bgr" else [2, 1, 0])
        self._placements: list[Placement | None] = [None] * most
        self._tensor[:] = self._margin[:, :, None]

    def feed(
        self, images: Sequence[NDArray[np.uint8]], *, num: int | None = None
    ) -> tuple[NDArray[np.float32], list[Placement]]:
        """Resize, order and scale images.

        Args:
            images: uint8 [H, W, 3] each, not empty; no more than there is room for.
            num: Length of the input, if longer than there are images; the rest is not written.

        Returns:
            The input, float32 [num, 3, height_px, width_px], valid until the next call, and where
            each image lies in it.
        """
        placements = [self._write(slot, bgr) for slot, bgr in enumerate(images)]
        return self._tensor[: num or len(images)], placements

    def _write(self, slot: int, bgr: NDArray[np.uint8]) -> Placement:
        import cv2

        size_px = (bgr.shape[1], bgr.shape[0])
        placement = self._placements[slot]
        if placement is None or placement.size_px != size_px:
            placement = self._placements[slot] = place(size_px, self._spec)
            self._tensor[slot] = self._margin[:, :, None]
        resized = np.asarray(
            cv2.resize(bgr, placement.inner_px, interpolation=cv2.INTER_LINEAR), dtype=np.uint8
        )
        (left, top), (width, height) = placement.corner_px, placement.inner_px
        inner = self._tensor[slot, :, top : top + height, left : left + width]
        _spread(resized, self._order, self._table, inner)
        return placement


@compiled
def _spread(
    image: NDArray[np.uint8],
    order: NDArray[np.intp],
    table: NDArray[np.float32],
    planes: NDArray[np.float32],
) -> None:
    """Scaled channels of an image, each to its plane."""
    for i in range(3):
        channel = order[i]
        for row in range(image.shape[0]):
            for column in range(image.shape[1]):
                planes[i, row, column] = table[i, image[row, column, channel]]
