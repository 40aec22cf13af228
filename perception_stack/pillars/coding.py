"""Boxes as the numbers that a network gives, and back.

The functions take the module to compute with, ``numpy`` or ``torch``, and arrays of its kind, so
that they run where the maps are. A box is x, y, z of its centre, length, width, height, yaw.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.pillars.spec import AnchorHead, CenterHead, Manifest


def anchor_boxes(manifest: Manifest, head: AnchorHead) -> FloatArray:
    """The prior boxes, float64 [H * W * A, 7]: row by row, cell by cell, class by class.

    Within a class they follow its yaws. z is that of the centre.
    """
    num_rows, num_cols = manifest.map_size
    low_x, low_y, _, high_x, high_y, _ = manifest.grid.range_m
    if head.align == "centers":
        x = low_x + (np.arange(num_cols) + 0.5) * (high_x - low_x) / num_cols
        y = low_y + (np.arange(num_rows) + 0.5) * (high_y - low_y) / num_rows
    else:
        x, y = np.linspace(low_x, high_x, num_cols), np.linspace(low_y, high_y, num_rows)
    prior = np.array(
        [
            [0, 0, one.bottom_m + one.size_lwh_m[2] / 2, *one.size_lwh_m, yaw]
            for one in head.anchors
            for yaw in one.yaw_rad
        ]
    )
    boxes = np.tile(prior, (num_rows, num_cols, 1, 1))
    boxes[..., 0] = x[None, :, None]
    boxes[..., 1] = y[:, None, None]
    return boxes.reshape(-1, 7)


def encode_anchors(xp: Any, boxes: Any, anchors: Any) -> Any:
    """Codes of boxes against prior boxes, [N, 7] each (Lang et al., eq. 1)."""
    diagonal = xp.sqrt(anchors[:, 3] ** 2 + anchors[:, 4] ** 2)
    return xp.stack(
        [
            (boxes[:, 0] - anchors[:, 0]) / diagonal,
            (boxes[:, 1] - anchors[:, 1]) / diagonal,
            (boxes[:, 2] - anchors[:, 2]) / anchors[:, 5],
            xp.log(boxes[:, 3] / anchors[:, 3]),
            xp.log(boxes[:, 4] / anchors[:, 4]),
            xp.log(boxes[:, 5] / anchors[:, 5]),
            boxes[:, 6] - anchors[:, 6],
        ],
        1,
    )


def decode_anchors(xp: Any, codes: Any, anchors: Any, direction: Any, offset_rad: float) -> Any:
    """Boxes from codes, [N, 7].

    Args:
        xp: ``numpy`` or ``torch``.
        codes: [N, 7].
        anchors: [N, 7], the prior box of each.
        direction: Whole numbers [N], 0 or 1; which half turn the yaw lies in.
        offset_rad: Where the first half turn begins.
    """
    diagonal = xp.sqrt(anchors[:, 3] ** 2 + anchors[:, 4] ** 2)
    yaw = anchors[:, 6] + codes[:, 6]
    # the code knows the yaw up to a half turn, the direction says which
    within = yaw - offset_rad
    yaw = within - xp.floor(within / np.pi) * np.pi + offset_rad + np.pi * direction
    return xp.stack(
        [
            codes[:, 0] * diagonal + anchors[:, 0],
            codes[:, 1] * diagonal + anchors[:, 1],
            codes[:, 2] * anchors[:, 5] + anchors[:, 2],
            xp.exp(codes[:, 3]) * anchors[:, 3],
            xp.exp(codes[:, 4]) * anchors[:, 4],
            xp.exp(codes[:, 5]) * anchors[:, 5],
            yaw,
        ],
        1,
    )


def encode_centers(xp: Any, boxes: Any, cells: Any, manifest: Manifest, head: CenterHead) -> Any:
    """Codes [N, 8] of boxes [N, 7] whose centres lie in given flat cells [N]."""
    col, row = _place(cells, manifest)
    (low_x, low_y), (along_x, along_y) = manifest.grid.range_m[:2], _cell_m(manifest)
    return xp.stack(
        [
            (boxes[:, 0] - low_x) / along_x - col,
            (boxes[:, 1] - low_y) / along_y - row,
            boxes[:, 2],
            xp.log(boxes[:, 3]),
            xp.log(boxes[:, 4]),
            xp.log(boxes[:, 5]),
            xp.cos(boxes[:, 6] * head.turns),
            xp.sin(boxes[:, 6] * head.turns),
        ],
        1,
    )


def decode_centers(xp: Any, codes: Any, cells: Any, manifest: Manifest, head: CenterHead) -> Any:
    """Boxes [N, 7] from codes [N, 8] found at given flat cells [N]."""
    col, row = _place(cells, manifest)
    (low_x, low_y), (along_x, along_y) = manifest.grid.range_m[:2], _cell_m(manifest)
    return xp.stack(
        [
            (codes[:, 0] + col) * along_x + low_x,
            (codes[:, 1] + row) * along_y + low_y,
            codes[:, 2],
            xp.exp(codes[:, 3]),
            xp.exp(codes[:, 4]),
            xp.exp(codes[:, 5]),
            xp.arctan2(codes[:, 7], codes[:, 6]) / head.turns,
        ],
        1,
    )


def _place(cells: Any, manifest: Manifest) -> tuple[Any, Any]:
    _, num_cols = manifest.map_size
    return cells % num_cols, cells // num_cols


def _cell_m(manifest: Manifest) -> tuple[float, float]:
    along_x, along_y = manifest.grid.pillar_m
    return along_x * manifest.trunk.stride, along_y * manifest.trunk.stride
