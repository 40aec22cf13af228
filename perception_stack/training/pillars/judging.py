"""How good boxes on scans are: average precision of 3-D boxes, and how far off they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.evaluation.detection import DetectionFrame, FrameHits, frame_hits
from perception_stack.geometry.overlap import iou_3d
from perception_stack.pillars.reading import Found, as_boxes
from perception_stack.training.pillars.scans import Scan

COUNTED_POINTS = 10
"""Points from which an object counts; boxes on those with fewer are neither right nor wrong."""

IOU = 0.5
_CAMERA_RAD = np.deg2rad(40)  # half of what KITTI's labels cover
_MATCHED = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Results over scans.

    Attributes:
        hits: By class, scan by scan.
        errors: By class, float64 [N, 8] of boxes on objects that count: x, y, z, length, width,
            height, yaw up to a half turn, and whether it points the other way.
        groups: Of the scans.
    """

    hits: dict[str, Sequence[FrameHits]]
    errors: dict[str, FloatArray]
    groups: tuple[int, ...]


def judge(
    scans: Iterable[Scan],
    find: Callable[[Scan], Found],
    classes: Sequence[str],
    *,
    reach_m: float,
    iou: float = IOU,
) -> Judged:
    """Compare what is found with what is labelled.

    Args:
        scans: Labelled.
        find: Boxes of a scan, from the least score that counts.
        classes: Of both.
        reach_m: Objects and boxes beyond this along x or y do not count.
        iou: Least overlap of a hit.
    """
    hits: dict[str, list[FrameHits]] = {name: [] for name in classes}
    errors: dict[str, list[FloatArray]] = {name: [] for name in classes}
    groups = []
    for scan in scans:
        groups.append(scan.group)
        found = find(scan)
        truth = np.flatnonzero(_looked_at(scan.boxes, scan, reach_m))
        for number, name in enumerate(classes):
            rows = truth[scan.label[truth] == number]
            cols = np.flatnonzero((found.label == number) & _looked_at(found.boxes, scan, reach_m))
            true, boxes = scan.boxes[rows].astype(np.float64), found.boxes[cols]
            overlap = iou_3d(as_boxes(true), as_boxes(boxes))
            ignored = scan.num_points[rows] < COUNTED_POINTS
            frame = DetectionFrame(
                similarity=overlap,
                score=found.score[cols],
                ignored_truth=ignored,
                unlabelled=np.zeros(len(cols), dtype=bool),
            )
            hits[name].append(frame_hits(frame, iou))
            errors[name].append(_errors(true[~ignored], boxes, overlap[~ignored]))
    return Judged(
        hits={name: tuple(rows) for name, rows in hits.items()},
        errors={name: np.concatenate([np.empty((0, 8)), *rows]) for name, rows in errors.items()},
        groups=tuple(groups),
    )


def _looked_at(boxes: NDArray[np.floating], scan: Scan, reach_m: float) -> NDArray[np.bool_]:
    within: NDArray[np.bool_] = (np.abs(boxes[:, :2]) < reach_m).all(axis=1)
    if scan.camera_only:
        within &= np.abs(np.arctan2(boxes[:, 1], boxes[:, 0])) < _CAMERA_RAD
    return within


def _errors(true: FloatArray, boxes: FloatArray, overlap: FloatArray) -> FloatArray:
    """Of the box that overlaps each object most, where one does."""
    if overlap.size == 0:
        return np.empty((0, 8))
    best = overlap.argmax(axis=1)
    matched = overlap.max(axis=1) > _MATCHED
    apart = boxes[best[matched]] - true[matched]
    turned = apart[:, 6].copy()
    apart[:, 6] = (turned + np.pi / 2) % np.pi - np.pi / 2
    return np.column_stack([apart, np.cos(turned) < 0])
