"""Inner corners of a chessboard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.board import Board

# The window of the sub-pixel search must not reach the next corner
_LARGEST_WINDOW_PX, _WINDOW_SHARE = 11, 0.4
_LARGEST_SIDE_PX = 1600


def find(
    gray: NDArray[np.uint8], board: Board, *, thorough: bool
) -> tuple[NDArray[np.intp], FloatArray] | None:
    """Indices and pixels of all corners, or None."""
    import cv2

    # on large images the search is slow and its thresholds see paper grain
    scale = max(max(gray.shape) / _LARGEST_SIDE_PX, 1.0)
    small = gray
    if scale > 1:
        shrunk = cv2.resize(gray, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
        small = shrunk.astype(np.uint8)
    corners = _rough(small, (board.columns, board.rows), thorough=thorough)
    if corners is None or len(corners) != board.columns * board.rows:
        return None
    size = np.array(gray.shape[::-1]) / np.array(small.shape[::-1])
    grid = ((corners + 0.5) * size - 0.5).reshape(board.rows, board.columns, 2)
    if scale > 1:
        grid = refined(gray, grid, largest_px=round(4 * scale)).reshape(grid.shape)
    return np.arange(board.columns * board.rows), refined(gray, grid)


def _rough(gray: NDArray[np.uint8], size: tuple[int, int], *, thorough: bool) -> FloatArray | None:
    """Corners to about a pixel, float64 [N, 2]."""
    import cv2

    flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
    quick = 0 if thorough else cv2.CALIB_CB_FAST_CHECK
    ok, corners = cv2.findChessboardCorners(gray, size, flags=flags | quick)
    if not ok and thorough:
        # growing from the best corner outwards: slower, but stands blur and glare
        slow = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE
        ok, corners = cv2.findChessboardCornersSB(gray, size, flags=slow)
    return corners.reshape(-1, 2).astype(np.float64) if ok and corners is not None else None


def refined(
    gray: NDArray[np.uint8], grid_px: FloatArray, *, largest_px: int = _LARGEST_WINDOW_PX
) -> FloatArray:
    """Saddle points near the corners of a grid, float [rows, columns, 2], as [N, 2]."""
    import cv2

    nearest = min(
        float(np.linalg.norm(np.diff(grid_px, axis=axis), axis=2).min()) for axis in (0, 1)
    )
    half = int(np.clip(round(_WINDOW_SHARE * nearest), 2, largest_px))
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 1e-3)
    corners = np.ascontiguousarray(grid_px.reshape(-1, 1, 2), dtype=np.float32)
    found = cv2.cornerSubPix(gray, corners, (half, half), (-1, -1), criteria)
    return found.reshape(-1, 2).astype(np.float64)
