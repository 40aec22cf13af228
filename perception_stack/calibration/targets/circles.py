"""Centres of a grid of dark circles, symmetric or not.

What is found is the middle of each blob. Seen at a slant a circle's centre is not the middle of
its image; with circles of a third of their distance that moves it by some hundredths of a pixel.
"""

from __future__ import annotations

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
    detector = cv2.SimpleBlobDetector_create(_blobs(gray.shape))
    size = (board.columns, board.rows)
    ways = (layout, layout | cv2.CALIB_CB_CLUSTERING) if thorough else (layout,)
    for flags in ways:
        ok, centres = cv2.findCirclesGrid(gray, size, flags=flags, blobDetector=detector)
        if ok and len(centres) == board.columns * board.rows:
            return np.arange(len(centres)), centres.reshape(-1, 2)
    return None


def _blobs(shape: tuple[int, ...]) -> object:
    import cv2

    settings = cv2.SimpleBlobDetector_Params()
    # the usual limits are for small images
    settings.minArea, settings.maxArea = 12.0, shape[0] * shape[1] / 50
    settings.minDistBetweenBlobs = 4.0
    return settings
