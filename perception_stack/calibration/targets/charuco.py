"""Corners of a ChArUco board, told apart by the markers in its white squares; parts are enough."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.errors import ConfigError
from perception_stack.geometry.board import Board

LEAST_CORNERS = 6


def find(
    gray: NDArray[np.uint8],
    board: Board,
    *,
    thorough: bool,  # noqa: ARG001  # there is one way
) -> tuple[NDArray[np.intp], FloatArray] | None:
    """Indices and pixels of the corners seen, or None if they are too few or on one line."""
    best: tuple[NDArray[np.intp], FloatArray] | None = None
    for detector in _detectors(board):
        corners, ids, _, _ = detector.detectBoard(gray)
        if ids is None or len(ids) < LEAST_CORNERS:
            continue
        if best is None or len(ids) > len(best[0]):
            best = ids.ravel().astype(np.intp), corners.reshape(-1, 2)
    if (
        best is None
        or np.linalg.matrix_rank(board.points_m[best[0], :2] - board.points_m[best[0][0], :2]) < 2
    ):
        return None
    return best


@lru_cache(maxsize=4)
def _detectors(board: Board) -> tuple[Any, ...]:
    """For boards printed by OpenCV from 4.6 on, and for those of before."""
    import cv2

    if not hasattr(cv2, "aruco") or not hasattr(cv2.aruco, "CharucoDetector"):
        raise ConfigError(
            "boards with markers need OpenCV 4.7 or newer: pip install -U opencv-python-headless"
        )
    if not hasattr(cv2.aruco, board.dictionary):
        raise ConfigError(f"OpenCV knows no dictionary '{board.dictionary}', such as DICT_5X5_100")
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary))
    found = []
    for legacy in (False, True):
        printed = cv2.aruco.CharucoBoard(
            (board.columns, board.rows), board.spacing_m, board.size, dictionary
        )
        printed.setLegacyPattern(legacy)
        found.append(cv2.aruco.CharucoDetector(printed))
    # the two differ only where the number of rows is even
    return tuple(found if board.rows % 2 == 0 else found[:1])
