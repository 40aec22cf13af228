"""Frames in which one sensor is sure of what the other does not see."""

from __future__ import annotations

from collections import deque

import numpy as np

from perception_stack.datatypes import UNKNOWN, Boxes3D, Detections2D
from perception_stack.watch.collect.config import FrameCollectorConfig
from perception_stack.watch.collect.interest import Interest, Why

_KEPT = 20


class DisagreementWatch:
    """Compares boxes in images with fused boxes, which name the sensors that saw them.

    Args:
        config: From when on a box must have a partner.
    """

    def __init__(self, config: FrameCollectorConfig) -> None:
        self._config = config
        self._detections: deque[Detections2D] = deque(maxlen=_KEPT)

    def add_detections(self, detections: Detections2D) -> None:
        """Boxes of one image, before the fused ones of its time."""
        self._detections.append(detections)

    def add_boxes(self, boxes: Boxes3D) -> list[Interest]:
        """Fused boxes of one instant; says who disagrees."""
        found = [self._without_lidar(boxes), self._without_camera(boxes)]
        return [one for one in found if one is not None]

    def _without_lidar(self, boxes: Boxes3D) -> Interest | None:
        """Sure and large boxes in the image beyond the fused ones that a camera had part in."""
        near = min(
            self._detections, key=lambda one: abs(one.stamp_ns - boxes.stamp_ns), default=None
        )
        tolerance_ns = self._config.pair_tolerance_s * 1e9
        if near is None or abs(near.stamp_ns - boxes.stamp_ns) > tolerance_ns:
            return None
        height_px = near.xyxy_px[:, 3] - near.xyxy_px[:, 1]
        sure = (near.score >= self._config.sure_score) & (height_px >= self._config.sure_side_px)
        labels = [near.labels[i] for i in np.flatnonzero(sure)]
        num_fused = sum(_has(one, "camera") and len(one) > 1 for one in boxes.sensors)
        if len(labels) - num_fused < self._config.lonely_boxes:
            return None
        text = (
            f"the camera is sure of {len(labels)} boxes ({', '.join(sorted(set(labels)))}), "
            f"another sensor confirms {num_fused}"
        )
        return Interest(why=Why.DISAGREE, about="camera alone", text=text, stamp_ns=boxes.stamp_ns)

    def _without_camera(self, boxes: Boxes3D) -> Interest | None:
        """Sure boxes of a known class that no camera saw, between others that one did see.

        What lies between two things in view is in view.
        """
        bearing = np.arctan2(boxes.center_m[:, 1], boxes.center_m[:, 0])
        seen = np.array([_has(one, "camera") for one in boxes.sensors], dtype=bool)
        if seen.sum() < 2:
            return None
        known = np.array([one != UNKNOWN for one in boxes.labels], dtype=bool)
        within = (bearing > bearing[seen].min()) & (bearing < bearing[seen].max())
        lonely = ~seen & known & within & (boxes.score >= self._config.sure_score)
        if lonely.sum() < self._config.lonely_boxes:
            return None
        labels = sorted({boxes.labels[i] for i in np.flatnonzero(lonely)})
        text = f"{lonely.sum()} boxes ({', '.join(labels)}) in view that the camera does not see"
        return Interest(why=Why.DISAGREE, about="no camera", text=text, stamp_ns=boxes.stamp_ns)


def _has(sensors: tuple[str, ...], kind: str) -> bool:
    return any(one.startswith(kind) for one in sensors)
