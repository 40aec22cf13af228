"""YOLOv8-obb and its kin: centre, width and height as YOLOv8, and an angle behind the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.candidates import Candidates
from perception_stack.detection.decoders import yolov8
from perception_stack.detection.manifest import Manifest
from perception_stack.geometry.rectangles import around

GIVES = ("angles",)


def shapes(manifest: Manifest) -> list[tuple[int | None, ...]]:
    """One tensor, [1, 4 + classes + 1, cells]; the angle is in radians, from x to y."""
    return [yolov8.shape_with(manifest, 1)]


def decode(outputs: Sequence[NDArray[np.float32]], manifest: Manifest, least: float) -> Candidates:
    """Oriented boxes, and upright ones around them."""
    level, by_class, angle = yolov8.read(outputs[0][0], manifest, least)
    center, size = (level[:, :2] + level[:, 2:]) / 2, level[:, 2:] - level[:, :2]
    rotated = np.hstack([center, size, angle.astype(np.float64)])
    return Candidates(boxes=around(rotated), scores=by_class, rotated=rotated)
