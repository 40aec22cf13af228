"""The grids that dense detectors predict on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.detection.manifest import Manifest
from perception_stack.errors import ModelLoadError


def sizes(manifest: Manifest) -> tuple[tuple[int, int], ...]:
    """Rows and columns of each grid, finest first.

    Raises:
        ModelLoadError: the manifest has no strides.
    """
    if not manifest.strides:
        why = f"family '{manifest.family}' predicts on grids; the manifest lacks their strides"
        raise ModelLoadError(manifest.file, why)
    height, width = manifest.input.height_px, manifest.input.width_px
    return tuple((-(-height // stride), -(-width // stride)) for stride in manifest.strides)


def only_size(manifest: Manifest) -> tuple[int, int]:
    """Rows and columns of the grid of a family that has one.

    Raises:
        ModelLoadError: the manifest has several strides, or none.
    """
    found = sizes(manifest)
    if len(found) > 1:
        why = f"family '{manifest.family}' has one grid, the manifest {len(found)} strides"
        raise ModelLoadError(manifest.file, why)
    return found[0]


def cells(manifest: Manifest) -> tuple[FloatArray, FloatArray]:
    """Where the cells of all grids lie, one grid after the other, row by row.

    Returns:
        column and row, float64 [N, 2]; stride, float64 [N, 1]. Not to be written to.
    """
    return _cells(sizes(manifest), manifest.strides)


@lru_cache(maxsize=16)
def _cells(
    grids: tuple[tuple[int, int], ...], strides: tuple[int, ...]
) -> tuple[FloatArray, FloatArray]:
    places = [np.mgrid[:rows, :columns][::-1].reshape(2, -1).T for rows, columns in grids]
    repeated = np.repeat(strides, [len(one) for one in places])[:, None]
    return np.concatenate(places).astype(np.float64), repeated.astype(np.float64)


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    normalised: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return normalised
