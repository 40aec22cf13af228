"""Detectors with object queries: DETR, RT-DETR, D-FINE, RF-DETR and their kin.

Two kinds of export are read. One has scores by class and boxes as centre, width and height in
shares of the input, for each query, and with ``masks`` the logits of a grid over the whole input.
The other has gone on to labels, scores and boxes with left, top, right and bottom in pixels of
the size that it is told (``size_name`` of the input). Each object has one query, so there is
nothing to suppress: ``nms_iou: 1``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.detection.candidates import Candidates
from perception_stack.detection.decoders import scores
from perception_stack.detection.manifest import Manifest
from perception_stack.detection.masks import Grids

ROLES = (
    ("scores", "boxes"),
    ("scores", "boxes", "masks"),
    ("labels", "boxes", "scores"),
)


def shapes(manifest: Manifest) -> list[tuple[int | None, ...]]:
    """Boxes [1, queries, 4], scores [1, queries, classes]; with labels both [1, queries]."""
    roles = manifest.outputs or ROLES[0]
    by_class: tuple[int | None, ...] = (1, None, len(manifest.classes))
    by_role = {
        "boxes": (1, None, 4),
        "labels": (1, None),
        "scores": (1, None) if "labels" in roles else by_class,
        "masks": (1, None, None, None),
    }
    return [by_role[role] for role in roles]


def decode(outputs: Sequence[NDArray[Any]], manifest: Manifest, least: float) -> Candidates:
    """Upright boxes, with masks where the file has them.

    Raises:
        ModelLoadError: a label that is none of the manifest's classes.
    """
    roles = manifest.outputs or ROLES[0]
    tensors = {role: one[0] for role, one in zip(roles, outputs, strict=True)}
    raw = tensors["scores"]
    if "labels" in tensors:
        rows = scores.strong(raw, scores.least_raw(least, manifest))
        by_class = scores.of_labels(tensors["labels"][rows], raw[rows], manifest)
        return Candidates(boxes=tensors["boxes"][rows].astype(np.float64), scores=by_class)
    rows = scores.strong(raw.max(axis=1), scores.least_raw(least, manifest))
    size_px = (manifest.input.width_px, manifest.input.height_px)
    boxes = tensors["boxes"][rows].astype(np.float64)
    center, half = boxes[:, :2] * size_px, boxes[:, 2:] * size_px / 2
    masks = None
    if "masks" in tensors:
        masks = Grids(np.asarray(tensors["masks"][rows], dtype=np.float32), 0.0, size_px)
    return Candidates(
        boxes=np.hstack([center - half, center + half]),
        scores=scores.probabilities(raw[rows], manifest),
        masks=masks,
    )
