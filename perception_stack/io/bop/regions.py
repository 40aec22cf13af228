"""Where objects are looked for in an image: at true boxes or masks, or at detections of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perception_stack.datatypes import Detections2D, FloatArray
from perception_stack.errors import DataFileError
from perception_stack.io.bop.files import numbers
from perception_stack.io.bop.models import name_of
from perception_stack.io.bop.scenes import FRAME_ID, BopObject, BopScene
from perception_stack.io.text_files import read_json


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detected:
    """One detection of a file.

    Attributes:
        obj_id: Number of the object.
        xyxy_px: float64 [4].
        score: In [0, 1].
    """

    obj_id: int
    xyxy_px: FloatArray
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is asked for in one image.

    Attributes:
        scene_id: Number of the scene.
        im_id: Number of the image.
        obj_ids: Of objects; all others are left alone.
    """

    scene_id: int
    im_id: int
    obj_ids: tuple[int, ...]


def read_detected(path: Path) -> dict[tuple[int, int], list[Detected]]:
    """A file of detections, by the numbers of scene and image.

    Raises:
        DataFileError: it cannot be read, or an entry is incomplete.
    """
    found: dict[tuple[int, int], list[Detected]] = {}
    for entry in _entries(path):
        scene_id, im_id, obj_id = _ids(path, entry, "scene_id", "image_id", "category_id")
        left, top, width, height = numbers(path, entry, "bbox", 4)
        score = float(numbers(path, entry, "score", 1)[0])
        if not 0 <= score <= 1:
            raise DataFileError(path, f"score {score:g} is not in [0, 1]")
        xyxy_px = np.array([left, top, left + width, top + height])
        one = Detected(obj_id=obj_id, xyxy_px=xyxy_px, score=score)
        found.setdefault((scene_id, im_id), []).append(one)
    return found


def read_targets(path: Path) -> list[Target]:
    """A file such as ``test_targets_bop19.json``.

    Raises:
        DataFileError: it cannot be read, or an entry is incomplete.
    """
    asked: dict[tuple[int, int], list[int]] = {}
    for entry in _entries(path):
        scene_id, im_id, obj_id = _ids(path, entry, "scene_id", "im_id", "obj_id")
        asked.setdefault((scene_id, im_id), []).append(obj_id)
    return [
        Target(scene_id=scene_id, im_id=im_id, obj_ids=tuple(sorted(set(obj_ids))))
        for (scene_id, im_id), obj_ids in asked.items()
    ]


def detections_of(target: Target, detected: Sequence[Detected]) -> Detections2D:
    """Those of a file that are asked for."""
    return _detections(target, [one for one in detected if one.obj_id in target.obj_ids])


def true_boxes(scene: BopScene, target: Target) -> Detections2D:
    """The true boxes of what is asked for and visible.

    Raises:
        DataFileError: the scene's truth is absent.
    """
    objects = _asked_for(scene, target).values()
    if any(np.isnan(one.xyxy_px).any() for one in objects):
        raise DataFileError(scene.folder, "boxes need scene_gt_info.json")
    return _detections(
        target, [Detected(obj_id=one.obj_id, xyxy_px=one.xyxy_px, score=1.0) for one in objects]
    )


def true_masks(scene: BopScene, target: Target, *, shape: tuple[int, ...]) -> Detections2D:
    """The true masks of what is asked for and visible.

    Args:
        scene: The scene.
        target: What is asked for.
        shape: Of the depth image, H and W.

    Raises:
        DataFileError: the scene's truth or a mask is absent, or a mask has another size.
    """
    labels = np.zeros(shape, dtype=np.uint16)
    seen: list[Detected] = []
    for row, one in _asked_for(scene, target).items():
        mask = scene.mask(target.im_id, row)
        if mask.shape != shape:
            raise DataFileError(scene.folder, f"a mask of image {target.im_id} has another size")
        v, u = np.nonzero(mask)
        if not len(v):
            continue
        labels[mask] = len(seen) + 1
        xyxy_px = np.array([u.min(), v.min(), u.max() + 1, v.max() + 1], dtype=np.float64)
        seen.append(Detected(obj_id=one.obj_id, xyxy_px=xyxy_px, score=1.0))
    return _detections(target, seen, mask=labels)


def _asked_for(scene: BopScene, target: Target) -> dict[int, BopObject]:
    """The objects of an image that are asked for and not hidden, by their row in the truth."""
    if target.im_id not in scene.objects:
        raise DataFileError(scene.folder, f"scene_gt.json has no objects of image {target.im_id}")
    return {
        row: one
        for row, one in enumerate(scene.objects[target.im_id])
        if one.obj_id in target.obj_ids and one.visible != 0
    }


def _detections(target: Target, detected: Sequence[Detected], **more: Any) -> Detections2D:
    return Detections2D(
        frame_id=FRAME_ID,
        stamp_ns=target.im_id,
        xyxy_px=np.array([one.xyxy_px for one in detected], dtype=np.float64).reshape(-1, 4),
        score=np.array([one.score for one in detected], dtype=np.float64),
        labels=tuple(name_of(one.obj_id) for one in detected),
        **more,
    )


def _ids(path: Path, entry: Any, *keys: str) -> list[int]:
    return [int(numbers(path, entry, key, 1)[0]) for key in keys]


def _entries(path: Path) -> list[Any]:
    entries = read_json(path)
    if not isinstance(entries, list):
        raise DataFileError(path, "it holds no list")
    return entries
