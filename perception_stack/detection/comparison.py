"""Whether two back ends, or a back end and a reference, find the same objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from perception_stack.datatypes import Detections2D, FloatArray
from perception_stack.geometry.overlap import iou_2d, iou_rotated

_SEEN = 0.5
"""Least score of a keypoint that is compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What counts as the same.

    Attributes:
        iou: Least overlap of a box with its counterpart.
        score: Most that scores differ.
        threshold: Least score that is reported. A box within ``score`` of it may be missing on
            the other side without being a difference.
        mask_iou: Least overlap of masks; they are decided by pixels at their edges.
        keypoint_px: Most that a keypoint is moved.
        angle_rad: Most that an oriented box is turned.
    """

    iou: float = 0.99
    score: float = 1e-3
    threshold: float = 0.0
    mask_iou: float = 0.98
    keypoint_px: float = 0.5
    angle_rad: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two lists of objects of one image, pair by pair.

    Attributes:
        iou: float64 [N], overlap of each pair of boxes.
        score_difference: float64 [N], absolute.
        mask_iou: float64 [N]; 1 where neither has a mask.
        keypoint_px: float64 [N], farthest that a keypoint is moved; 0 where there are none.
        angle_rad: float64 [N], up to half a turn, which changes no box; 0 where there are none.
        num_alone: Objects without counterpart that should have one.
        tolerance: What counts as the same.
    """

    iou: FloatArray
    score_difference: FloatArray
    mask_iou: FloatArray
    keypoint_px: FloatArray
    angle_rad: FloatArray
    num_alone: int
    tolerance: Tolerance

    @property
    def num_different(self) -> int:
        """Pairs outside the tolerance, and objects alone."""
        limits = self.tolerance
        same = (self.iou >= limits.iou) & (self.score_difference <= limits.score)
        same &= (self.mask_iou >= limits.mask_iou) & (self.keypoint_px <= limits.keypoint_px)
        same &= self.angle_rad <= limits.angle_rad
        return int(np.count_nonzero(~same)) + self.num_alone


def compare(a: Detections2D, b: Detections2D, tolerance: Tolerance) -> Comparison:
    """Pair objects of one class so that their overlaps are largest in sum, and measure.

    An object is paired only with one that it overlaps. What only one side gives, such as masks,
    is a difference of every pair.
    """
    iou = _iou(a, b)
    iou[np.not_equal.outer(np.array(a.labels, object), np.array(b.labels, object))] = 0.0
    rows, columns = linear_sum_assignment(iou, maximize=True)
    paired = iou[rows, columns] > 0
    rows, columns = rows[paired], columns[paired]
    least = tolerance.threshold + tolerance.score
    alone = np.concatenate([np.delete(a.score, rows), np.delete(b.score, columns)])
    return Comparison(
        iou=iou[rows, columns],
        score_difference=np.abs(a.score[rows] - b.score[columns]),
        mask_iou=_mask_iou(a, b, rows, columns),
        keypoint_px=_keypoint_px(a, b, rows, columns),
        angle_rad=_angle_rad(a, b, rows, columns),
        num_alone=int(np.count_nonzero(alone > least)),
        tolerance=tolerance,
    )


def _iou(a: Detections2D, b: Detections2D) -> FloatArray:
    if a.rotated_px is None or b.rotated_px is None:
        return iou_2d(a.xyxy_px, b.xyxy_px)
    return iou_rotated(a.rotated_px, b.rotated_px)


def _mask_iou(
    a: Detections2D, b: Detections2D, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> FloatArray:
    """1 as well where both masks are empty."""
    if a.mask is None and b.mask is None:
        return np.ones(len(rows))
    if a.mask is None or b.mask is None or a.mask.shape != b.mask.shape:
        return np.zeros(len(rows))
    # pixels of each pair of labels
    size = len(b) + 1
    pairs = a.mask.astype(np.intp).ravel() * size + b.mask.ravel()
    common = np.bincount(pairs, minlength=(len(a) + 1) * size).reshape(-1, size)
    both = common[rows + 1, columns + 1]
    union = common[rows + 1].sum(axis=1) + common[:, columns + 1].sum(axis=0) - both
    found: FloatArray = np.divide(both, union, out=np.ones(len(rows)), where=union > 0)
    return found


def _keypoint_px(
    a: Detections2D, b: Detections2D, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> FloatArray:
    """Infinite where the points are not the same ones."""
    if a.keypoints is None and b.keypoints is None:
        return np.zeros(len(rows))
    if a.keypoints is None or b.keypoints is None or a.keypoints.names != b.keypoints.names:
        return np.full(len(rows), np.inf)
    apart = np.linalg.norm(a.keypoints.uv_px[rows] - b.keypoints.uv_px[columns], axis=2)
    seen = (a.keypoints.score[rows] >= _SEEN) | (b.keypoints.score[columns] >= _SEEN)
    farthest: FloatArray = np.where(seen, apart, 0.0).max(axis=1, initial=0.0)
    return farthest


def _angle_rad(
    a: Detections2D, b: Detections2D, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> FloatArray:
    """Infinite where only one has angles."""
    if a.rotated_px is None and b.rotated_px is None:
        return np.zeros(len(rows))
    if a.rotated_px is None or b.rotated_px is None:
        return np.full(len(rows), np.inf)
    turn = a.rotated_px[rows, 4] - b.rotated_px[columns, 4]
    found: FloatArray = np.abs((turn + np.pi / 2) % np.pi - np.pi / 2)
    return found
