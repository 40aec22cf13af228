"""CenterNet (Zhou et al. 2019, objects as points): peaks of class heat maps, sizes and offsets.

A peak is a cell that no neighbour exceeds, which takes the place of suppression by overlap. The
network's outputs end before the sigmoid unless the export added it (``logits``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.candidates import Candidates
from perception_stack.detection.decoders import grid, scores
from perception_stack.detection.manifest import Manifest

ROLES = (("heatmap", "size", "offset"),)


def shapes(manifest: Manifest) -> list[tuple[int, ...]]:
    """Heat maps [1, classes, rows, columns]; sizes and offsets in cells, [1, 2, rows, columns]."""
    rows, columns = grid.only_size(manifest)
    channels = {"heatmap": len(manifest.classes), "size": 2, "offset": 2}
    return [(1, channels[role], rows, columns) for role in manifest.outputs or ROLES[0]]


def decode(outputs: Sequence[NDArray[np.float32]], manifest: Manifest, least: float) -> Candidates:
    """Upright boxes; a cell that is a peak of two classes comes twice."""
    tensors = dict(zip(manifest.outputs or ROLES[0], outputs, strict=True))
    heat = tensors["heatmap"][0]
    peaks = _peaks(heat, scores.least_raw(least, manifest))
    class_idx, rows, columns = peaks
    center = np.stack([columns, rows], axis=1) + tensors["offset"][0][:, rows, columns].T
    half = tensors["size"][0][:, rows, columns].T.astype(np.float64) / 2
    boxes = np.hstack([center - half, center + half]) * manifest.strides[0]
    by_class = np.zeros((len(class_idx), len(manifest.classes)))
    by_class[np.arange(len(class_idx)), class_idx] = scores.probabilities(heat[peaks], manifest)
    return Candidates(boxes=boxes, scores=by_class)


def _peaks(
    heat: NDArray[np.float32], least: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Class, row and column of cells not below ``least`` that none of the eight around exceeds."""
    _, num_rows, num_columns = heat.shape
    class_idx, rows, columns = np.nonzero(~(heat < least))
    # beyond the border the border's own cells are looked at again
    around_rows = np.clip(rows[:, None] + np.repeat([-1, 0, 1], 3), 0, num_rows - 1)
    around_columns = np.clip(columns[:, None] + np.tile([-1, 0, 1], 3), 0, num_columns - 1)
    highest = heat[class_idx[:, None], around_rows, around_columns].max(axis=1, initial=-np.inf)
    kept = ~(heat[class_idx, rows, columns] < highest)
    return class_idx[kept], rows[kept], columns[kept]
