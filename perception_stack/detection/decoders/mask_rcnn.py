"""Mask R-CNN and its kin, with their own suppression in the file.

Boxes in pixels of the input, labels, scores and a mask for each box. Exports differ: PyTorch's
and Detectron2's have no axis for the image and number the background as class 0, MMDetection's
``dets`` have the score behind the box. Masks are probabilities, on a grid over the box (28 x 28)
or of the size of the input.
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

ROLES = (("boxes", "labels", "scores", "masks"), ("dets", "labels", "masks"))
GIVES = ("masks",)
_LEVEL = 0.5


def shapes(manifest: Manifest) -> list[tuple[int | None, ...]]:
    """Boxes [N, 4], labels [N], scores [N], masks [N, 1, h, w]; or dets [1, N, 5] and so on."""
    roles = manifest.outputs or ROLES[0]
    by_role: dict[str, tuple[int | None, ...]] = {
        "boxes": (None, 4),
        "labels": (None,),
        "scores": (None,),
        "masks": (None, 1, None, None),
    }
    if "dets" in roles:
        by_role = {"dets": (1, None, 5), "labels": (1, None), "masks": (1, None, None, None)}
    return [by_role[role] for role in roles]


def decode(outputs: Sequence[NDArray[Any]], manifest: Manifest, least: float) -> Candidates:
    """Upright boxes with masks.

    Raises:
        ModelLoadError: a label that is none of the manifest's classes.
    """
    tensors = dict(zip(manifest.outputs or ROLES[0], outputs, strict=True))
    if "dets" in tensors:
        dets = tensors["dets"][0]
        boxes, score = dets[:, :4], dets[:, 4]
        labels, masks = tensors["labels"][0], tensors["masks"][0]
    else:
        boxes, labels, score = (tensors[role] for role in ROLES[0][:3])
        masks = tensors["masks"][:, 0]
    rows = scores.strong(score, scores.least_raw(least, manifest))
    by_class = scores.of_labels(labels[rows], score[rows], manifest)
    size_px = (manifest.input.width_px, manifest.input.height_px)
    whole = masks.shape[:0:-1] == size_px
    values = np.asarray(masks[rows], dtype=np.float32)
    return Candidates(
        boxes=boxes[rows].astype(np.float64),
        scores=by_class,
        masks=Grids(values, _LEVEL, size_px if whole else None),
    )
