"""Compiled loop of :mod:`perception_stack.geometry.suppression`; imported when first used."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry._overlap_kernels import rectangles_area
from perception_stack.geometry.compiled import machine_code


@machine_code
def stay(
    boxes: FloatArray, class_idx: NDArray[np.intp], iou: float, most: int
) -> NDArray[np.intp]:
    """Rows of oriented boxes, best first, that no better one of their class overlaps too much."""
    kept = np.empty(min(len(boxes), most), dtype=np.intp)
    num_kept = 0
    for i in range(len(boxes)):
        if num_kept == len(kept):
            break
        stays = True
        for j in kept[:num_kept]:
            if class_idx[i] != class_idx[j]:
                continue
            common = rectangles_area(boxes[i], boxes[j])
            both = boxes[i, 2] * boxes[i, 3] + boxes[j, 2] * boxes[j, 3]
            if common > iou * (both - common):
                stays = False
                break
        if stays:
            kept[num_kept] = i
            num_kept += 1
    return kept[:num_kept]
