"""The outline of what is drawn into a close-up, as lines cross it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

_NUM_LINES = 120
_MOST_CREASES, _LEAST_CREASE_PX = 6, 12
_BLUR_PX = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contour:
    """Places on an outline.

    Attributes:
        uv_px: float64 [N, 2], on the outline, between the pixels.
        outward: float64 [N, 2], unit directions away from the object.
        points_m: float64 [N, 3], of the object's surface there.
        spacing_px: From one place to the next.
    """

    uv_px: FloatArray
    outward: FloatArray
    points_m: FloatArray
    spacing_px: float

    def __len__(self) -> int:
        return len(self.uv_px)


def contour_of(drawn_m: FloatArray, pinhole: FloatArray) -> Contour:
    """The outline of an object, also of its holes.

    Args:
        drawn_m: float64 [h, w], its depth, inf where it is not.
        pinhole: float64 [4], fx, fy, cx, cy.

    Returns:
        No places where nothing is drawn.
    """
    import cv2

    is_drawn = np.isfinite(drawn_m)
    inner = cv2.erode(is_drawn.astype(np.uint8), _cross()) > 0
    rows, cols = np.nonzero(is_drawn & ~inner)
    return _along(is_drawn, rows, cols, drawn_m, pinhole, most=_NUM_LINES)


def creases_of(
    part: NDArray[np.int64], drawn_m: FloatArray, pinhole: FloatArray
) -> list[tuple[Contour, NDArray[np.int8]]]:
    """The edges at which two parts of an object meet, within its outline.

    Args:
        part: int64 [h, w], which part is drawn, -1 for none.
        drawn_m: float64 [h, w], its depth, inf where it is not.
        pinhole: float64 [4], fx, fy, cx, cy.

    Returns:
        Of each long one its places, outward from the first part to the second, and int8 [h, w],
        1 where the first is drawn, -1 where the second is, 0 elsewhere; the longest first.
    """
    import cv2

    beside = [(part[:, 1:], part[:, :-1]), (part[1:], part[:-1])]
    borders = [(one != other) & (one >= 0) & (other >= 0) for one, other in beside]
    pairs = np.concatenate(
        [
            np.stack([one[border], other[border]], axis=1)
            for (one, other), border in zip(beside, borders, strict=True)
        ]
    )
    met, num = np.unique(np.sort(pairs, axis=1), axis=0, return_counts=True)
    longest = np.argsort(-num, kind="stable")[:_MOST_CREASES]
    nearest_m = np.asarray(cv2.erode(drawn_m, np.ones((3, 3))), dtype=np.float64)
    found = []
    for first, second in met[longest[num[longest] >= _LEAST_CREASE_PX]]:
        is_first, is_second = part == first, part == second
        # elsewhere the blurred border is that of a third part, or the outline
        both = cv2.erode((is_first | is_second).astype(np.uint8), np.ones((5, 5)))
        at_second = cv2.dilate(is_second.astype(np.uint8), _cross())
        rows, cols = np.nonzero(is_first & (at_second > 0) & (both > 0))
        if len(rows) >= _LEAST_CREASE_PX // 2:
            contour = _along(is_first, rows, cols, nearest_m, pinhole, most=_NUM_LINES // 2)
            found.append((contour, is_first.astype(np.int8) - is_second.astype(np.int8)))
    return found


def _along(
    inside: NDArray[np.bool_],
    rows: NDArray[np.intp],
    cols: NDArray[np.intp],
    depth_m: FloatArray,
    pinhole: FloatArray,
    *,
    most: int,
) -> Contour:
    """Places on the border of what is inside, from the pixels just within."""
    import cv2
    from scipy.special import ndtri

    blurred = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), _BLUR_PX)
    num = len(rows)
    kept = np.linspace(0, num - 1, min(most, num)).astype(np.intp)
    rows, cols = rows[kept], cols[kept]
    slope = np.stack(
        [
            cv2.Sobel(blurred, cv2.CV_32F, *order, scale=1 / 8)[rows, cols].astype(np.float64)
            for order in ((1, 0), (0, 1))
        ],
        axis=1,
    )
    outward = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
    # from the middle of the pixel to where the edge is that looks so, when blurred
    off_px = np.clip(_BLUR_PX * ndtri(blurred[rows, cols].astype(np.float64)), -1.0, 1.0)
    uv_px = np.stack([cols, rows], axis=1) + off_px[:, None] * outward
    rays = np.column_stack([(uv_px - pinhole[2:]) / pinhole[:2], np.ones(len(uv_px))])
    return Contour(
        uv_px=uv_px,
        outward=outward,
        points_m=rays * depth_m[rows, cols, None],
        spacing_px=num / max(len(kept), 1),
    )


def _cross() -> Any:
    import cv2

    return cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
