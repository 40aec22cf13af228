"""FastestDet: one grid; objectness, centre offsets, relative sizes and class scores per cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.candidates import Candidates
from perception_stack.detection.decoders import grid, scores
from perception_stack.detection.manifest import Manifest

# how the network's authors weigh objectness against class
_OBJECT_POWER, _CLASS_POWER = 0.6, 0.4


def shapes(manifest: Manifest) -> list[tuple[int, ...]]:
    """One tensor, [1, 1 + 4 + classes, rows, columns]."""
    rows, columns = grid.only_size(manifest)
    return [(1, 5 + len(manifest.classes), rows, columns)]


def decode(outputs: Sequence[NDArray[np.float32]], manifest: Manifest, least: float) -> Candidates:
    """Upright boxes; class scores are at most 1, so objectness decides."""
    raw = outputs[0][0].reshape(5 + len(manifest.classes), -1)
    objectness = np.maximum(raw[0].astype(np.float64), 0) ** _OBJECT_POWER
    columns = scores.strong(objectness, least)
    per_cell = raw[:, columns].T.astype(np.float64)
    cells, strides = grid.cells(manifest)
    center = (cells[columns] + np.tanh(per_cell[:, 1:3])) * strides[columns]
    size = np.array([manifest.input.width_px, manifest.input.height_px])
    half = size / 2 / (1 + np.exp(-per_cell[:, 3:5]))
    by_class = objectness[columns, None] * np.maximum(per_cell[:, 5:], 0) ** _CLASS_POWER
    return Candidates(boxes=np.hstack([center - half, center + half]), scores=by_class)
