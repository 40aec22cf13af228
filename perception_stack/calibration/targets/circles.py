"""Centres of a grid of dark circles, symmetric or not.

What is found is the middle of each blob, which at a slant is not the image of the circle's middle;
the calibration takes that off where it knows the diameter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.board import Board, BoardKind


def find(
    gray: NDArray[np.uint8], board: Board, *, thorough: bool
) -> tuple[NDArray[np.intp], FloatArray] | None:
    """Indices and pixels of all centres, or None."""
    import cv2

    layout = (
        cv2.CALIB_CB_ASYMMETRIC_GRID
        if board.kind is BoardKind.ASYMMETRIC_CIRCLES
        else cv2.CALIB_CB_SYMMETRIC_GRID
    )
    detector = cv2.SimpleBlobDetector.create(_blobs(gray.shape))
    size = (board.columns, board.rows)
    ways = (layout, layout | cv2.CALIB_CB_CLUSTERING) if thorough else (layout,)
    for flags in ways:
        ok, centres = cv2.findCirclesGrid(gray, size, flags=flags, blobDetector=detector)
        if ok and len(centres) == board.columns * board.rows:
            return np.arange(len(centres)), _middles(gray, centres.reshape(-1, 2).astype(float))
    return None


def _middles(gray: NDArray[np.uint8], centres_px: FloatArray) -> FloatArray:
    """Middles of the dark blobs around some pixels, each weighed by how dark it is."""
    apart = np.linalg.norm(centres_px[:, None] - centres_px[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    result = centres_px.copy()
    for i, (u, v) in enumerate(centres_px):
        half = int(np.clip(round(0.5 * apart[i].min()), 3, 200))
        left, top = max(round(u) - half, 0), max(round(v) - half, 0)
        patch = gray[top : round(v) + half + 1, left : round(u) + half + 1].astype(np.float64)
        bright, dark = np.quantile(patch, 0.95), np.quantile(patch, 0.05)
        y, x = np.indices(patch.shape)
        # the paper's noise weighs nothing, and what lies nearer to another circle neither
        weight = np.clip(0.8 * (bright - dark) - (patch - dark), 0.0, 0.6 * (bright - dark))
        weight *= np.hypot(x + left - u, y + top - v) < 0.5 * apart[i].min()
        if weight.sum() > 0:
            result[i] = (
                left + (weight * x).sum() / weight.sum(),
                top + (weight * y).sum() / weight.sum(),
            )
    return result


def _blobs(shape: tuple[int, ...]) -> Any:
    import cv2

    settings = cv2.SimpleBlobDetector.Params()
    # the usual limits are for small images
    settings.minArea, settings.maxArea = 12.0, max(shape[0] * shape[1] / 50, 13.0)
    settings.minDistBetweenBlobs = 4.0
    return settings
