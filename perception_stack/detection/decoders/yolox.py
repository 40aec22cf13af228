"""YOLOX (Ge et al. 2021): centre offsets and log sizes per cell, objectness times class score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.candidates import Candidates
from perception_stack.detection.decoders import grid, scores
from perception_stack.detection.manifest import Manifest


def shapes(manifest: Manifest) -> list[tuple[int, ...]]:
    """One tensor, [1, cells of all grids, 4 + 1 + classes]."""
    num_cells = sum(rows * columns for rows, columns in grid.sizes(manifest))
    return [(1, num_cells, 5 + len(manifest.classes))]


def decode(outputs: Sequence[NDArray[np.float32]], manifest: Manifest, least: float) -> Candidates:
    """Upright boxes; class scores are at most 1, so objectness decides."""
    raw = outputs[0][0]
    rows = scores.strong(raw[:, 4], least)
    cells, strides = grid.cells(manifest)
    cells, strides, raw = cells[rows], strides[rows], raw[rows].astype(np.float64)
    center = (raw[:, :2] + cells) * strides
    half = np.exp(np.clip(raw[:, 2:4], -20, 20)) * strides / 2
    boxes = np.hstack([center - half, center + half])
    return Candidates(boxes=boxes, scores=raw[:, 4:5] * raw[:, 5:])
