"""YOLOv8 and what followed with its head (9, 11, 12): boxes and class scores, no objectness.

One tensor has a column per cell: centre, width and height in input pixels, then class scores.
Boxes are decoded and the sigmoid is applied in the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.detection.decoders import grid, scores
from perception_stack.detection.manifest import Manifest


def shapes(manifest: Manifest) -> list[tuple[int, ...]]:
    """One tensor, [1, 4 + classes, cells of all grids]."""
    num_cells = sum(rows * columns for rows, columns in grid.sizes(manifest))
    return [(1, 4 + len(manifest.classes), num_cells)]


def decode(
    outputs: Sequence[NDArray[np.float32]], manifest: Manifest, least: float
) -> tuple[FloatArray, FloatArray]:
    """Candidate boxes and scores by class."""
    raw = outputs[0][0]
    columns = np.flatnonzero(raw[4:].max(axis=0) >= scores.least_raw(least, manifest))
    per_cell = raw[:, columns].T
    center = per_cell[:, :2].astype(np.float64)
    half = per_cell[:, 2:4].astype(np.float64) / 2
    boxes = np.hstack([center - half, center + half])
    return boxes, scores.probabilities(per_cell[:, 4:], manifest)
