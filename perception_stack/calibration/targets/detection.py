"""Finds a board in an image: which of its points are seen, and where, to a fraction of a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.targets import charuco, circles, grids_of_tags, squares
from perception_stack.datatypes import FloatArray, check_shape
from perception_stack.geometry.board import Board, BoardKind

_FINDERS = {
    BoardKind.CHESSBOARD: squares.find,
    BoardKind.CHARUCO: charuco.find,
    BoardKind.APRILGRID: grids_of_tags.find,
    BoardKind.CIRCLES: circles.find,
    BoardKind.ASYMMETRIC_CIRCLES: circles.find,
}
# Half the side of the patch that sharpness is taken from
_PATCH_PX = 7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sighting:
    """A board, or a part of it, seen in one image.

    Attributes:
        name: Of the image.
        point_idx: int [N], which points of the board.
        uv_px: float64 [N, 2], where.
    """

    name: str
    point_idx: NDArray[np.intp]
    uv_px: FloatArray

    def __post_init__(self) -> None:
        check_shape("uv_px", self.uv_px, len(self.point_idx), 2)


def find_board(
    gray: NDArray[np.uint8], board: Board, *, name: str, thorough: bool = True
) -> Sighting | None:
    """The board in an image; None where there is none.

    Args:
        gray: uint8 [H, W].
        board: What to look for.
        name: Of the image.
        thorough: Also try the slow ways, which find blurred and large boards.
    """
    check_shape("gray", gray, None, None)
    found = _FINDERS[board.kind](gray, board, thorough=thorough)
    if found is None or not np.isfinite(found[1]).all():
        return None
    point_idx, uv_px = found
    return Sighting(name=name, point_idx=point_idx, uv_px=uv_px.astype(np.float64))


def edge_width_px(gray: NDArray[np.uint8], sighting: Sighting) -> float:
    """How blurred the board is: over how many pixels black turns to white, the median of points.

    About 2 for a sharp image. Motion and defocus make it larger.
    """
    height, width = gray.shape
    widths = []
    for u, v in np.rint(sighting.uv_px).astype(int):
        patch = gray[
            max(v - _PATCH_PX, 0) : min(v + _PATCH_PX + 1, height),
            max(u - _PATCH_PX, 0) : min(u + _PATCH_PX + 1, width),
        ].astype(np.float32)
        if min(patch.shape) < 3:
            continue
        steepest = max(np.abs(np.diff(patch, axis=0)).max(), np.abs(np.diff(patch, axis=1)).max())
        widths.append(float(np.ptp(patch)) / max(float(steepest), 1.0))
    return float(np.median(widths)) if widths else np.inf
