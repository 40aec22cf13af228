"""Whether two back ends, or a back end and a reference, find the same boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_stack.datatypes import Detections2D, FloatArray
from perception_stack.geometry.overlap import iou_2d


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What counts as the same.

    Attributes:
        iou: Least overlap of a box with its counterpart.
        score: Most that scores differ.
        threshold: Least score that is reported. A box within ``score`` of it may be missing on
            the other side without being a difference.
    """

    iou: float = 0.99
    score: float = 1e-3
    threshold: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two lists of boxes of one image, box by box.

    Attributes:
        iou: float64 [N], overlap of each pair.
        score_difference: float64 [N], absolute.
        num_alone: Boxes without counterpart that should have one.
        tolerance: What counts as the same.
    """

    iou: FloatArray
    score_difference: FloatArray
    num_alone: int
    tolerance: Tolerance

    @property
    def num_different(self) -> int:
        """Pairs outside the tolerance, and boxes alone."""
        same = (self.iou >= self.tolerance.iou) & (self.score_difference <= self.tolerance.score)
        return int(np.count_nonzero(~same)) + self.num_alone


def compare(a: Detections2D, b: Detections2D, tolerance: Tolerance) -> Comparison:
    """Pair boxes of one class so that their overlaps are largest in sum, and measure.

    A box is paired only with one that it overlaps.
    """
    iou = iou_2d(a.xyxy_px, b.xyxy_px)
    iou[np.not_equal.outer(np.array(a.labels, object), np.array(b.labels, object))] = 0.0
    rows, columns = linear_sum_assignment(iou, maximize=True)
    paired = iou[rows, columns] > 0
    rows, columns = rows[paired], columns[paired]
    least = tolerance.threshold + tolerance.score
    alone = np.concatenate([np.delete(a.score, rows), np.delete(b.score, columns)])
    return Comparison(
        iou=iou[rows, columns],
        score_difference=np.abs(a.score[rows] - b.score[columns]),
        num_alone=int(np.count_nonzero(alone > least)),
        tolerance=tolerance,
    )
