"""The outline of what is drawn into a close-up, as lines cross it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray

_NUM_LINES = 120
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
    blurred = cv2.GaussianBlur(is_drawn.astype(np.float32), (0, 0), _BLUR_PX)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inner = cv2.erode(is_drawn.astype(np.uint8), cross) > 0
    rows, cols = np.nonzero(is_drawn & ~inner)
    num = len(rows)
    kept = np.linspace(0, num - 1, min(_NUM_LINES, num)).astype(np.intp)
    rows, cols = rows[kept], cols[kept]
    slope = np.stack(
        [
            cv2.Sobel(blurred, cv2.CV_32F, *order, scale=1 / 8)[rows, cols].astype(np.float64)
            for order in ((1, 0), (0, 1))
        ],
        axis=1,
    )
    length = np.maximum(np.linalg.norm(slope, axis=1), 1e-6)
    outward = -slope / length[:, None]
    # from the middle of the pixel to where the blurred edge is
    off_px = np.clip((blurred[rows, cols] - 0.5) / length, -1.0, 1.0)
    uv_px = np.stack([cols, rows], axis=1) + off_px[:, None] * outward
    rays = np.column_stack([(uv_px - pinhole[2:]) / pinhole[:2], np.ones(len(uv_px))])
    return Contour(
        uv_px=uv_px,
        outward=outward,
        points_m=rays * drawn_m[rows, cols, None],
        spacing_px=num / max(len(kept), 1),
    )
