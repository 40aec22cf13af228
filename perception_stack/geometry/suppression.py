"""Non-maximum suppression: of boxes that show the same thing the best one stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled


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
    kept: NDArray[np.intp] = order[_stay(xyxy_px[order], class_idx[order], iou, most)]
    return kept


def best_of_rotated(
    rotated: FloatArray,
    score: FloatArray,
    class_idx: NDArray[np.intp],
    *,
    iou: float,
    most: int,
) -> NDArray[np.intp]:
    """As :func:`best_of_each` of oriented boxes, by their exact overlap.

    Args:
        rotated: float64 [N, 5], centre, width, height and angle; in pixels or metres.
        score: float64 [N].
        class_idx: int [N].
        iou: Overlap above which the weaker box goes.
        most: Most rows to keep.
    """
    from perception_stack.geometry import _suppression_kernels

    order = np.argsort(-score, kind="stable")
    boxes = np.ascontiguousarray(rotated[order])
    kept: NDArray[np.intp] = order[_suppression_kernels.stay(boxes, class_idx[order], iou, most)]
    return kept


@compiled
def _stay(
    boxes: FloatArray, class_idx: NDArray[np.intp], iou: float, most: int
) -> NDArray[np.intp]:
    """Rows of boxes, best first, that no better one of their class overlaps too much."""
    kept = np.empty(min(len(boxes), most), dtype=np.intp)
    num_kept = 0
    for i in range(len(boxes)):
        if num_kept == len(kept):
            break
        left, top, right, bottom = boxes[i]
        stays = True
        for j in kept[:num_kept]:
            if class_idx[i] != class_idx[j]:
                continue
            width = min(right, boxes[j, 2]) - max(left, boxes[j, 0])
            height = min(bottom, boxes[j, 3]) - max(top, boxes[j, 1])
            # false as well where a coordinate is NaN
            if not (width > 0 and height > 0):
                continue
            common = width * height
            other = (boxes[j, 2] - boxes[j, 0]) * (boxes[j, 3] - boxes[j, 1])
            if common > iou * ((right - left) * (bottom - top) + other - common):
                stays = False
                break
        if stays:
            kept[num_kept] = i
            num_kept += 1
    return kept[:num_kept]
