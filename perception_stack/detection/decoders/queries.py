"""Detectors with object queries: DETR, RT-DETR, D-FINE, RF-DETR and their kin.

Two kinds of export are read. One has scores by class and boxes as centre, width and height in
shares of the input, for each query. The other has gone on to labels, scores and boxes with left,
top, right and bottom in pixels of the size that it is told (``size_name`` of the input).
Each object has one query, so there is nothing to suppress: ``nms_iou: 1``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.detection.decoders import scores
from perception_stack.detection.manifest import Manifest
from perception_stack.errors import ModelLoadError

ROLES = (("scores", "boxes"), ("labels", "boxes", "scores"))


def shapes(manifest: Manifest) -> list[tuple[int | None, ...]]:
    """Boxes [1, queries, 4], scores [1, queries, classes]; with labels both [1, queries]."""
    roles = manifest.outputs or ROLES[0]
    by_class: tuple[int | None, ...] = (1, None, len(manifest.classes))
    by_role = {
        "boxes": (1, None, 4),
        "labels": (1, None),
        "scores": (1, None) if "labels" in roles else by_class,
    }
    return [by_role[role] for role in roles]


def decode(
    outputs: Sequence[NDArray[Any]], manifest: Manifest, least: float
) -> tuple[FloatArray, FloatArray]:
    """Candidate boxes and scores by class.

    Raises:
        ModelLoadError: a label that is none of the manifest's classes.
    """
    roles = manifest.outputs or ROLES[0]
    tensors = {role: one[0] for role, one in zip(roles, outputs, strict=True)}
    if "labels" in tensors:
        return _labelled(tensors, manifest, least)
    raw = tensors["scores"]
    rows = np.flatnonzero(raw.max(axis=1) >= scores.least_raw(least, manifest))
    size = np.array([manifest.input.width_px, manifest.input.height_px])
    boxes = tensors["boxes"][rows].astype(np.float64)
    center, half = boxes[:, :2] * size, boxes[:, 2:] * size / 2
    return np.hstack([center - half, center + half]), scores.probabilities(raw[rows], manifest)


def _labelled(
    tensors: dict[str, NDArray[Any]], manifest: Manifest, least: float
) -> tuple[FloatArray, FloatArray]:
    strong = np.flatnonzero(tensors["scores"] >= scores.least_raw(least, manifest))
    labels = tensors["labels"][strong].astype(np.int64)
    num_classes = len(manifest.classes)
    if ((labels < 0) | (labels >= num_classes)).any():
        why = f"it found label {labels.max()}, the manifest has classes 0 to {num_classes - 1}"
        raise ModelLoadError(manifest.file, why)
    by_class = np.zeros((len(labels), num_classes))
    found = scores.probabilities(tensors["scores"][strong], manifest)
    by_class[np.arange(len(labels)), labels] = found
    return tensors["boxes"][strong].astype(np.float64), by_class
