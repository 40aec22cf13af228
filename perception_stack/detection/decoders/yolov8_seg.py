"""YOLOv8-seg and its kin: boxes as YOLOv8, and masks as sums of prototypes (YOLACT)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.candidates import Candidates
from perception_stack.detection.decoders import yolov8
from perception_stack.detection.manifest import Manifest
from perception_stack.detection.masks import Prototypes

GIVES = ("masks",)
_NUM_PROTOTYPES, _CELL_PX = 32, 4


def shapes(manifest: Manifest) -> list[tuple[int | None, ...]]:
    """Cells [1, 4 + classes + prototypes, cells], prototypes [1, prototypes, rows, columns]."""
    rows, columns = manifest.input.height_px // _CELL_PX, manifest.input.width_px // _CELL_PX
    cells = yolov8.shape_with(manifest, _NUM_PROTOTYPES)
    return [cells, (1, _NUM_PROTOTYPES, rows, columns)]


def decode(outputs: Sequence[NDArray[np.float32]], manifest: Manifest, least: float) -> Candidates:
    """Upright boxes with masks."""
    boxes, by_class, weights = yolov8.read(outputs[0][0], manifest, least)
    size_px = (manifest.input.width_px, manifest.input.height_px)
    masks = Prototypes(outputs[1][0], weights, size_px)
    return Candidates(boxes=boxes, scores=by_class, masks=masks)
