"""What a network says of one image, and what is left of it once the weak is gone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.detection.masks import MaskSource, Piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """All that may be an object, M of them, in pixels of the network's input.

    Attributes:
        boxes: float64 [M, 4], left, top, right, bottom.
        scores: float64 [M, C], by class.
        rotated: float64 [M, 5], centre, size and angle; ``boxes`` are then around them.
        keypoints: float64 [M, K, 3], column, row and score.
        masks: Where their masks come from; asked only for those that stay.
    """

    boxes: FloatArray
    scores: FloatArray
    rotated: FloatArray | None = None
    keypoints: FloatArray | None = None
    masks: MaskSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Objects of one image, N of them, in its pixels.

    Attributes:
        xyxy_px: float64 [N, 4], cut at the border of the image.
        score: float64 [N].
        class_idx: int [N].
        rotated_px: float64 [N, 5], or None.
        keypoints: float64 [N, K, 3], or None.
        masks: N times the pieces that make up a mask, or None.
    """

    xyxy_px: FloatArray
    score: FloatArray
    class_idx: NDArray[np.intp]
    rotated_px: FloatArray | None = None
    keypoints: FloatArray | None = None
    masks: tuple[tuple[Piece, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.xyxy_px)

    def rows(self, index: NDArray[np.intp]) -> Found:
        """Those picked by an integer index, in that order."""
        return Found(
            xyxy_px=self.xyxy_px[index],
            score=self.score[index],
            class_idx=self.class_idx[index],
            rotated_px=None if self.rotated_px is None else self.rotated_px[index],
            keypoints=None if self.keypoints is None else self.keypoints[index],
            masks=None if self.masks is None else tuple(self.masks[i] for i in index),
        )

    def moved(self, by_px: tuple[int, int]) -> Found:
        """The same in an image of which this one is a part that begins at a column and row."""
        offset = np.array(by_px, dtype=np.float64)
        return replace(
            self,
            xyxy_px=self.xyxy_px + np.tile(offset, 2),
            rotated_px=None
            if self.rotated_px is None
            else self.rotated_px + np.append(offset, np.zeros(3)),
            keypoints=None
            if self.keypoints is None
            else self.keypoints + np.append(offset, np.zeros(1)),
            masks=None
            if self.masks is None
            else tuple(tuple(one.moved(offset) for one in many) for many in self.masks),
        )
