"""YOLOv8-pose and its kin: boxes as YOLOv8, and column, row and score of each keypoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.candidates import Candidates
from perception_stack.detection.decoders import yolov8
from perception_stack.detection.manifest import Manifest

GIVES = ("keypoints",)


def shapes(manifest: Manifest) -> list[tuple[int | None, ...]]:
    """One tensor, [1, 4 + classes + 3 * keypoints, cells]."""
    return [yolov8.shape_with(manifest, 3 * len(manifest.keypoints))]


def decode(outputs: Sequence[NDArray[np.float32]], manifest: Manifest, least: float) -> Candidates:
    """Upright boxes with keypoints; the sigmoid of their scores is applied in the network."""
    boxes, by_class, rest = yolov8.read(outputs[0][0], manifest, least)
    keypoints = rest.astype(np.float64).reshape(len(boxes), len(manifest.keypoints), 3)
    return Candidates(boxes=boxes, scores=by_class, keypoints=keypoints)
