"""Upright rectangles: left, top, right, bottom."""

from __future__ import annotations

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code


@machine_code
def overlap(first: FloatArray, second: FloatArray) -> tuple[float, float]:
    """Common area of two rectangles, relative to their union and to the first."""
    w = min(first[2], second[2]) - max(first[0], second[0])
    h = min(first[3], second[3]) - max(first[1], second[1])
    if w <= 0 or h <= 0:
        return 0.0, 0.0
    area = (first[2] - first[0]) * (first[3] - first[1])
    other = (second[2] - second[0]) * (second[3] - second[1])
    return w * h / (area + other - w * h), w * h / area
