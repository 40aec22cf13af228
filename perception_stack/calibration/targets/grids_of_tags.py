"""Corners of an AprilGrid: tags 36h11, ids from the lower left along each row, as Kalibr prints.

Which corner of a tag comes first, and how wide its border is, differs between generators; both are
read off the image.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.errors import ConfigError
from perception_stack.geometry.board import Board

LEAST_TAGS = 3
_BORDERS_BITS = (2, 1)
# The search for a corner must stay near it: the black squares between tags touch there
_WINDOW_SHARE, _LARGEST_WINDOW_PX = 0.18, 8


def find(
    gray: NDArray[np.uint8],
    board: Board,
    *,
    thorough: bool,  # noqa: ARG001  # there is one way
) -> tuple[NDArray[np.intp], FloatArray] | None:
    """Indices and pixels of the corners of the tags seen, or None if they are too few."""
    import cv2

    best: tuple[FloatArray, NDArray[np.intp]] = np.empty((0, 4, 2)), np.empty(0, dtype=np.intp)
    for detector in _detectors():
        corners, ids, _ = detector.detectMarkers(gray)
        if ids is None:
            continue
        ids = ids.ravel()
        known = ids < board.columns * board.rows
        if known.sum() > len(best[1]):
            best = np.concatenate(corners)[known], ids[known].astype(np.intp)
    tags_px, ids = best
    if len(ids) < LEAST_TAGS or len(np.unique(ids)) < len(ids):
        return None
    side = float(np.linalg.norm(tags_px - np.roll(tags_px, 1, axis=1), axis=2).min())
    half = int(np.clip(round(_WINDOW_SHARE * side), 2, _LARGEST_WINDOW_PX))
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 1e-3)
    flat = np.ascontiguousarray(tags_px.reshape(-1, 1, 2), dtype=np.float32)
    uv_px = cv2.cornerSubPix(gray, flat, (half, half), (-1, -1), criteria)
    tags_px = uv_px.reshape(-1, 4, 2).astype(np.float64)
    order = _first_corner(board, ids, tags_px)
    return (4 * ids[:, None] + order).ravel(), tags_px.reshape(-1, 2)


def _first_corner(board: Board, ids: NDArray[np.intp], uv_px: FloatArray) -> NDArray[np.intp]:
    """Which corner of the board's tags each found one is, int [4], by what fits a plane best."""
    import cv2

    points = board.points_m[:, :2]
    misses = []
    # found clockwise, numbered against the clock
    orders = [(shift - np.arange(4)) % 4 for shift in range(4)]
    for order in orders:
        on_board = points[(4 * ids[:, None] + order).ravel()]
        homography, _ = cv2.findHomography(on_board, uv_px.reshape(-1, 2), 0)
        there = cv2.perspectiveTransform(on_board[:, None], homography)[:, 0]
        misses.append(float(np.median(np.linalg.norm(there - uv_px.reshape(-1, 2), axis=1))))
    return orders[int(np.argmin(misses))]


@lru_cache(maxsize=1)
def _detectors() -> tuple[Any, ...]:
    import cv2

    if not hasattr(cv2, "aruco") or not hasattr(cv2.aruco, "ArucoDetector"):
        raise ConfigError(
            "boards with markers need OpenCV 4.7 or newer: pip install -U opencv-python-headless"
        )
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
    detectors = []
    for bits in _BORDERS_BITS:
        settings = cv2.aruco.DetectorParameters()
        settings.markerBorderBits = bits
        detectors.append(cv2.aruco.ArucoDetector(dictionary, settings))
    return tuple(detectors)
