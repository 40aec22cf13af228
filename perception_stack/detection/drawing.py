"""What was detected, drawn into its image for people to look at."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.geometry.rectangles import corners_px

_MASK_SHARE = 0.45
_LEAST_KEYPOINT = 0.5
_FRACTION_BITS = 3  # OpenCV draws between pixels, in shares of a power of two


def draw(image: ColorImage, detections: Detections2D) -> ColorImage:
    """A copy of an image with masks, boxes, names, scores and keypoints.

    Classes have colours of their own, the same in every image.

    Args:
        image: Not changed.
        detections: In it.
    """
    bgr = image.bgr.copy()
    colours = np.array([colour_of(label) for label in detections.labels], np.uint8).reshape(-1, 3)
    if detections.mask is not None:
        _tint(bgr, detections.mask, colours)
    # a line is seen at any size of image
    width_px = max(1, round(max(bgr.shape[:2]) / 500))
    for i, colour in enumerate(colours.tolist()):
        _outline(bgr, detections, i, colour, width_px)
        _keypoints(bgr, detections, i, colour, 2 * width_px)
        _name(bgr, detections, i, colour, width_px)
    return ColorImage(frame_id=image.frame_id, stamp_ns=image.stamp_ns, bgr=bgr)


def colour_of(label: str) -> tuple[int, int, int]:
    """A strong colour for a class: blue, green, red."""
    import cv2

    hue = zlib.crc32(label.encode()) % 180
    bgr = cv2.cvtColor(np.array([[[hue, 200, 255]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
    return int(bgr[0]), int(bgr[1]), int(bgr[2])


def _tint(bgr: NDArray[np.uint8], mask: NDArray[Any], colours: NDArray[np.uint8]) -> None:
    inside = mask > 0
    tint = colours[mask[inside].astype(np.intp) - 1]
    bgr[inside] = (1 - _MASK_SHARE) * bgr[inside] + _MASK_SHARE * tint


def _outline(
    bgr: NDArray[np.uint8], detections: Detections2D, row: int, colour: list[int], width_px: int
) -> None:
    import cv2

    if detections.rotated_px is not None:
        corners = corners_px(detections.rotated_px[[row]])[0]
    else:
        left, top, right, bottom = detections.xyxy_px[row]
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    points = np.rint(corners * 2**_FRACTION_BITS).astype(np.int32)
    cv2.polylines(
        bgr, [points], True, colour, width_px, lineType=cv2.LINE_AA, shift=_FRACTION_BITS
    )


def _keypoints(
    bgr: NDArray[np.uint8], detections: Detections2D, row: int, colour: list[int], radius_px: int
) -> None:
    import cv2

    if detections.keypoints is None:
        return
    for u, v in detections.keypoints.seen_px(row, least=_LEAST_KEYPOINT):
        if not np.isnan(u):
            cv2.circle(bgr, (round(u), round(v)), radius_px, colour, cv2.FILLED, cv2.LINE_AA)


def _name(
    bgr: NDArray[np.uint8], detections: Detections2D, row: int, colour: list[int], width_px: int
) -> None:
    import cv2

    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.5 * width_px
    text = f"{detections.labels[row]} {detections.score[row]:.2f}"
    (width, height), below = cv2.getTextSize(text, font, scale, width_px)
    left, top = (int(one) for one in detections.xyxy_px[row, :2])
    bottom = max(top, height + below)
    cv2.rectangle(bgr, (left, bottom - height - below), (left + width, bottom), colour, cv2.FILLED)
    place = (left, bottom - below // 2)
    cv2.putText(bgr, text, place, font, scale, (0, 0, 0), width_px, cv2.LINE_AA)
