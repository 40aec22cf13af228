"""Non-maximum suppression: of boxes that show the same thing the best one stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.overlap import iou_2d


def best_of_each(
    xyxy_px: FloatArray, score: FloatArray, class_idx: NDArray[np.intp], *, iou: float, most: int
) -> NDArray[np.intp]:
    """Rows that stay, best first; equals keep their order.

    Args:
        xyxy_px: float64 [N, 4].
        score: float64 [N].
        class_idx: int [N]; only boxes of one class suppress each other.
        iou: Overlap above which the weaker box goes.
        most: Most rows to keep.
    """
    order = np.argsort(-score, kind="stable")
    boxes, classes = xyxy_px[order], class_idx[order]
    overlaps = (iou_2d(boxes, boxes) > iou) & (classes[:, None] == classes)
    stays = np.ones(len(order), dtype=np.bool_)
    for i in range(len(order)):
        if stays[i]:
            stays[i + 1 :] &= ~overlaps[i, i + 1 :]
    kept: NDArray[np.intp] = order[stays][:most]
    return kept
