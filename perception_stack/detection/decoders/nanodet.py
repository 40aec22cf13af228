"""NanoDet with distribution boxes (Li et al. 2020, generalised focal loss).

Each side's distance from the cell's centre is the mean of a discrete distribution over bins, in
strides. Class scores come with the sigmoid applied.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.candidates import Candidates
from perception_stack.detection.decoders import grid, scores
from perception_stack.detection.manifest import Manifest

_NUM_BINS = 8


def shapes(manifest: Manifest) -> list[tuple[int, ...]]:
    """Scores of each grid, [1, cells, classes], then distances of each, [1, cells, 4 * bins]."""
    nums = [rows * columns for rows, columns in grid.sizes(manifest)]
    by_class = [(1, num, len(manifest.classes)) for num in nums]
    return [*by_class, *((1, num, 4 * _NUM_BINS) for num in nums)]


def decode(outputs: Sequence[NDArray[np.float32]], manifest: Manifest, least: float) -> Candidates:
    """Upright boxes."""
    num_grids = len(manifest.strides)
    raw = [one[0] for one in outputs]
    strong = [scores.strong(one.max(axis=1), least) for one in raw[:num_grids]]
    by_class, distances = (
        np.concatenate([one[rows] for one, rows in zip(part, strong, strict=True)])
        for part in (raw[:num_grids], raw[num_grids:])
    )
    firsts = np.cumsum([0, *(len(one) for one in raw[: num_grids - 1])])
    rows = np.concatenate([one + first for one, first in zip(strong, firsts, strict=True)])
    cells, strides = grid.cells(manifest)
    bins = distances.astype(np.float64).reshape(-1, 4, _NUM_BINS)
    distance = grid.softmax(bins) @ np.arange(_NUM_BINS) * strides[rows]
    center = (cells[rows] + 0.5) * strides[rows]
    boxes = np.hstack([center - distance[:, :2], center + distance[:, 2:]])
    return Candidates(boxes=boxes, scores=by_class.astype(np.float64))
