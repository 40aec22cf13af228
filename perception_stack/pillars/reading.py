"""From the maps of a head to boxes: what is sure enough, where it is, without duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, Boxes3D, FloatArray
from perception_stack.geometry.suppression import best_of_rotated
from perception_stack.geometry.transforms import quat_from_yaw
from perception_stack.pillars.coding import anchor_boxes, decode_anchors, decode_centers
from perception_stack.pillars.spec import (
    CENTER_CODE,
    AnchorHead,
    CenterHead,
    Manifest,
    output_channels,
)

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Boxes of one scan, best first, in the model's frame.

    Attributes:
        boxes: float64 [N, 7], centre x, y, z, length, width, height, yaw.
        score: float64 [N], in [0, 1].
        label: int64 [N], index of the class.
    """

    boxes: FloatArray
    score: FloatArray
    label: NDArray[np.int64]

    def rows(self, index: NDArray[Any]) -> Found:
        """The boxes picked by an integer index or a mask."""
        return Found(boxes=self.boxes[index], score=self.score[index], label=self.label[index])


class AnchorReader:
    """Candidates in the maps of PointPillars.

    Args:
        manifest: Of the model.
        head: Its head.
    """

    def __init__(self, manifest: Manifest, head: AnchorHead) -> None:
        self._head, self._reading = head, manifest.reading
        self._anchors = anchor_boxes(manifest, head)

    def candidates(self, maps: Sequence[NDArray[Any]], least: float) -> Found:
        """What reaches a score, best first.

        Where duplicates are sought within a class only, one prior box may give several classes.

        Args:
            maps: Scores [A * C, H * W] as logits, codes [A * 7, H * W], directions [A * 2, H * W].
            least: The score.
        """
        num = self._head.num_per_cell
        scores, codes, directions = (one.reshape(num, -1, one.shape[1]) for one in maps)
        anchor, cell = _best(scores.max(axis=1), least, self._reading.candidates)
        logits = scores[anchor, :, cell].astype(np.float64)  # [N, C]
        if not self._reading.per_class:
            logits = np.where(logits < logits.max(axis=1, keepdims=True), -np.inf, logits)
        boxes = decode_anchors(
            np,
            codes[anchor, :, cell].astype(np.float64),
            self._anchors[cell * num + anchor],
            directions[anchor, :, cell].argmax(axis=1),
            self._head.direction_offset_rad,
        )
        row, label = np.nonzero(logits > _logit(least))
        return _best_first(boxes[row], logits[row, label], label)


class CenterReader:
    """Candidates in the maps of CenterPoint.

    Args:
        manifest: Of the model.
        head: Its head.
    """

    def __init__(self, manifest: Manifest, head: CenterHead) -> None:
        self._manifest, self._head = manifest, head
        self._task_of_class = np.repeat(np.arange(len(head.tasks)), head.tasks)

    def candidates(self, maps: Sequence[NDArray[Any]], least: float) -> Found:
        """What reaches a score, best first.

        Args:
            maps: Heat [C, H * W] as logits, codes [tasks * 8, H * W].
            least: The score.
        """
        heat, codes = maps
        label, cell = _best(heat, least, self._manifest.reading.candidates)
        by_task = codes.reshape(-1, len(CENTER_CODE), codes.shape[1])
        picked = by_task[self._task_of_class[label], :, cell].astype(np.float64)
        boxes = decode_centers(np, picked, cell, self._manifest, self._head)
        return _best_first(boxes, heat[label, cell].astype(np.float64), label)


class MapReader:
    """Boxes in the maps of one model.

    Args:
        manifest: Of the model.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        head = manifest.head
        self._reader: AnchorReader | CenterReader
        if isinstance(head, AnchorHead):
            self._reader = AnchorReader(manifest, head)
        else:
            self._reader = CenterReader(manifest, head)

    def shapes(self) -> list[Shape]:
        """Shape of each map, as the head gives them."""
        channels = output_channels(self._manifest.head, len(self._manifest.classes))
        return [(1, one, *self._manifest.map_size) for one in channels]

    def read(self, maps: Sequence[NDArray[Any]], *, threshold: float = 0.0) -> Found:
        """Boxes of one scan.

        Args:
            maps: float [1, C, H, W] each; scores as logits.
            threshold: Least score; that of the manifest if 0.
        """
        reading = self._manifest.reading
        flat = [one[0].reshape(one.shape[1], -1) for one in maps]
        found = self._reader.candidates(flat, threshold or reading.score_threshold)
        group = found.label if reading.per_class else np.zeros_like(found.label)
        kept = without_duplicates(found.boxes, group, iou=reading.nms_iou)
        return found.rows(kept[: reading.max_boxes])


def without_duplicates(
    boxes: FloatArray, group: NDArray[np.int64], *, iou: float
) -> NDArray[np.intp]:
    """Rows that overlap no better row of their group by more than a limit, seen from above.

    Args:
        boxes: float64 [N, 7], best first.
        group: int64 [N].
        iou: The limit.
    """
    footprints, as_given = boxes[:, [0, 1, 3, 4, 6]], np.zeros(len(boxes))
    return best_of_rotated(footprints, as_given, group, iou=iou, most=len(boxes))


def as_boxes(boxes: FloatArray) -> Boxes3D:
    """Boxes [N, 7] with a pose and a size, and nothing known of them."""
    num = len(boxes)
    return Boxes3D(
        frame_id="",
        stamp_ns=0,
        center_m=np.ascontiguousarray(boxes[:, :3]),
        quat_xyzw=quat_from_yaw(boxes[:, 6]),
        size_lwh_m=np.ascontiguousarray(boxes[:, 3:6]),
        covariance=np.zeros((num, 6, 6)),
        score=np.ones(num),
        classes=(UNKNOWN,),
        class_probs=np.ones((num, 1)),
        sensors=((),) * num,
    )


def _best(
    logits: NDArray[Any], least: float, most: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of the highest logits that reach a score, at most so many."""
    row, column = np.nonzero(logits > _logit(least))
    if len(row) > most:
        order = np.argsort(-logits[row, column], kind="stable")[:most]
        row, column = row[order], column[order]
    return row, column


def _best_first(boxes: FloatArray, logits: FloatArray, label: NDArray[Any]) -> Found:
    order = np.argsort(-logits, kind="stable")
    return Found(
        boxes=boxes[order],
        score=1 / (1 + np.exp(-logits[order])),
        label=label[order].astype(np.int64),
    )


def _logit(score: float) -> float:
    return float(np.log(score / (1 - score)))
