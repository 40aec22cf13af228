"""YOLOv8 and what followed with its head (9, 11, 12): boxes and class scores, no objectness.

One tensor has a column per cell: centre, width and height in input pixels, class scores, and
what the kin of the family add. Boxes are decoded and the sigmoid is applied in the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.detection.candidates import Candidates
from perception_stack.detection.decoders import grid, scores
from perception_stack.detection.manifest import Manifest


def shapes(manifest: Manifest) -> list[tuple[int | None, ...]]:
    """One tensor, [1, 4 + classes, cells of all grids]."""
    return [shape_with(manifest, 0)]


def decode(outputs: Sequence[NDArray[np.float32]], manifest: Manifest, least: float) -> Candidates:
    """Upright boxes."""
    boxes, by_class, _ = read(outputs[0][0], manifest, least)
    return Candidates(boxes=boxes, scores=by_class)


def shape_with(manifest: Manifest, num_more: int) -> tuple[int | None, ...]:
    """Shape of the tensor when each cell says some numbers more."""
    num_cells = sum(rows * columns for rows, columns in grid.sizes(manifest))
    return 1, 4 + len(manifest.classes) + num_more, num_cells


def read(
    raw: NDArray[np.float32], manifest: Manifest, least: float
) -> tuple[FloatArray, FloatArray, NDArray[np.float32]]:
    """What the cells say that can reach a score.

    Args:
        raw: float32 [4 + C + more, cells].
        manifest: Of the network.
        least: The score.

    Returns:
        Boxes float64 [M, 4], scores float64 [M, C], and the rest float32 [M, more].
    """
    end = 4 + len(manifest.classes)
    columns = scores.strong(raw[4:end].max(axis=0), scores.least_raw(least, manifest))
    per_cell = np.ascontiguousarray(raw[:, columns].T)
    center = per_cell[:, :2].astype(np.float64)
    half = per_cell[:, 2:4].astype(np.float64) / 2
    boxes = np.hstack([center - half, center + half])
    return boxes, scores.probabilities(per_cell[:, 4:end], manifest), per_cell[:, end:]
