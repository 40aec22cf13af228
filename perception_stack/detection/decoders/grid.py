"""The grids that dense detectors predict on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.detection.manifest import Manifest


def sizes(manifest: Manifest) -> list[tuple[int, int]]:
    """Rows and columns of each grid, finest first."""
    height, width = manifest.input.height_px, manifest.input.width_px
    return [(-(-height // stride), -(-width // stride)) for stride in manifest.strides]


def cells(rows: int, columns: int) -> FloatArray:
    """Column and row of each cell, row by row, float64 [rows * columns, 2]."""
    y, x = np.mgrid[:rows, :columns]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    normalised: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return normalised
