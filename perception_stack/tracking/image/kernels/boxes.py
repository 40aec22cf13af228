"""Boxes in the image, one at a time: left, top, right, bottom in pixels."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.image.kernels.state import Instant

_AT_BORDER_PX = 2.0  # detectors round, and some count pixels from one


@machine_code
def write_edges(state: FloatArray, edges: FloatArray) -> None:
    """Write the edges of the box that a state stands for."""
    h = np.exp(state[2])
    w = h * np.exp(state[3])
    edges[0], edges[2] = state[0] - w / 2, state[0] + w / 2
    edges[1], edges[3] = state[1] - h / 2, state[1] + h / 2


@machine_code
def larger_side(edges: FloatArray) -> float:
    """The larger of width and height."""
    side_px: float = max(edges[2] - edges[0], edges[3] - edges[1])
    return side_px


@machine_code
def is_cut(edge: int, value_px: float, instant: Instant) -> bool:
    """Whether an edge lies at the border of the image, so that the thing may go on beyond."""
    if edge < 2:
        return value_px <= _AT_BORDER_PX
    size_px = instant.width_px if edge == 2 else instant.height_px
    return value_px >= size_px - _AT_BORDER_PX


@machine_code
def share_in_image(edges: FloatArray, instant: Instant) -> float:
    """Share of a box that lies inside of the image."""
    w = min(edges[2], instant.width_px) - max(edges[0], 0.0)
    h = min(edges[3], instant.height_px) - max(edges[1], 0.0)
    area = (edges[2] - edges[0]) * (edges[3] - edges[1])
    share: float = max(w, 0.0) * max(h, 0.0) / area
    return share


@machine_code
def write_clipped(edges: FloatArray, instant: Instant, clipped: FloatArray) -> None:
    """Write what of a box lies inside of the image."""
    for i in range(4):
        size_px = instant.width_px if i % 2 == 0 else instant.height_px
        clipped[i] = min(max(edges[i], 0.0), size_px)
