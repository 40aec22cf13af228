"""Oriented rectangles in an image: centre, width, height, and the angle from x to the width."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray


def around(rotated: FloatArray) -> FloatArray:
    """The smallest upright rectangle around each oriented one.

    Args:
        rotated: float64 [N, 5], centre, width, height, angle.

    Returns:
        float64 [N, 4].
    """
    cosine, sine = np.abs(np.cos(rotated[:, 4])), np.abs(np.sin(rotated[:, 4]))
    width, height = rotated[:, 2], rotated[:, 3]
    half = np.column_stack([cosine * width + sine * height, sine * width + cosine * height]) / 2
    center = rotated[:, :2]
    return np.hstack([center - half, center + half])


def corners_px(rotated: FloatArray) -> FloatArray:
    """Corners of oriented rectangles, in order.

    Args:
        rotated: float64 [N, 5].

    Returns:
        float64 [N, 4, 2].
    """
    along = np.stack([np.cos(rotated[:, 4]), np.sin(rotated[:, 4])], axis=1)
    across = along[:, ::-1] * [-1, 1]
    sign = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) / 2
    half = sign * rotated[:, None, 2:4]
    found: FloatArray = (
        rotated[:, None, :2] + half[:, :, :1] * along[:, None] + half[:, :, 1:] * across[:, None]
    )
    return found
