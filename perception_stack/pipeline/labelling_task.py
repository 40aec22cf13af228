"""A task for people who label, of snippets that were collected.

The folder gets ``images/``, the boxes of the detector as a first guess, ``labels.json`` for
CVAT's raw editor of labels, ``reasons.json``, which says for each image why it is worth the work,
and ``task.zip``, which holds images and boxes as CVAT imports them.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.errors import ConfigError, DataFileError
from perception_stack.io import messages
from perception_stack.io.bags import BagReader
from perception_stack.io.cvat import write_cvat, write_labels
from perception_stack.io.image_sets.coco import image_entry, write_annotations
from perception_stack.pipeline.snippets import Snippet, read_snippets

FORMATS = ("coco", "cvat")
_TOPICS = ("/image", "/detections")
_TOLERANCE_NS = 60_000_000
# where either program looks for them in a zip file
_BOXES = {"coco": "annotations/instances_default.json", "cvat": "annotations.xml"}
_IMAGES = {"coco": "images/default", "cvat": "images"}


def write_task(
    snippets: Path,
    out: Path,
    *,
    layout: str,
    every_image: bool = False,
    on_snippet: Callable[[], None] = lambda: None,
) -> int:
    """Write a task; returns the number of images.

    Args:
        snippets: Folder of the snippets.
        out: Folder to make.
        layout: One of :data:`FORMATS`.
        every_image: All images of each snippet, as for labelling tracks; else the one that was
            worth it.
        on_snippet: Called after each snippet, for a progress bar.

    Raises:
        ConfigError: ``out`` exists.
        DataFileError: no snippets, or none with an image.
    """
    if out.exists():
        raise ConfigError(f"'{out}' exists; remove it or name another folder")
    listed = read_snippets(snippets)
    images: dict[str, tuple[tuple[int, int], Detections2D]] = {}
    reasons: dict[str, list[str]] = {}
    for snippet in listed:
        for image, boxes in _chosen(snippets / snippet.bag, snippet, every_image=every_image):
            name = f"{snippet.bag}_{image.stamp_ns}.png"
            _write_image(out / _IMAGES[layout] / name, image)
            images[name] = _inside(image, boxes)
            reasons[name] = [f"{one.why.value}: {one.text}" for one in snippet.reasons]
        on_snippet()
    if not images:
        raise DataFileError(snippets, f"no image in its {len(listed)} snippets")
    classes = sorted({label for _, found in images.values() for label in found.labels})
    boxes_file = out / _BOXES[layout]
    if layout == "coco":
        rows = []
        for name, (size_px, found) in images.items():
            scores = {"score": found.score.tolist()}
            rows.append(image_entry(name, size_px, found.xyxy_px, found.labels, of_boxes=scores))
        write_annotations(boxes_file, classes=classes, images=rows)
    else:
        write_cvat(boxes_file, images, classes)
    write_labels(out / "labels.json", classes)
    (out / "reasons.json").write_text(json.dumps(reasons, indent=1) + "\n", encoding="utf-8")
    _zip(out, [boxes_file, *(out / _IMAGES[layout] / name for name in images)])
    return len(images)


def _chosen(
    bag: Path, snippet: Snippet, *, every_image: bool
) -> Iterator[tuple[ColorImage, Detections2D | None]]:
    """Images of a snippet, each with the boxes nearest in stamp."""
    images: list[ColorImage] = []
    detections: list[Detections2D] = []
    with BagReader(bag) as reader:
        for message in reader.messages(_TOPICS):
            if message.topic == "/image":
                images.append(messages.image_from_msg(message.message))
            else:
                detections.append(messages.detections2d_from_msg(message.message))
    if images and not every_image:
        images = [min(images, key=lambda one: abs(one.stamp_ns - snippet.stamp_ns))]
    for image in images:
        yield image, _nearest(detections, image.stamp_ns)


def _nearest(detections: Sequence[Detections2D], stamp_ns: int) -> Detections2D | None:
    near = min(detections, key=lambda one: abs(one.stamp_ns - stamp_ns), default=None)
    if near is None or abs(near.stamp_ns - stamp_ns) > _TOLERANCE_NS:
        return None
    return near


def _inside(image: ColorImage, boxes: Detections2D | None) -> tuple[tuple[int, int], Detections2D]:
    """Width and height of an image, and the boxes cut at its border."""
    height, width = image.bgr.shape[:2]
    if boxes is None:
        boxes = Detections2D.empty(frame_id=image.frame_id, stamp_ns=image.stamp_ns)
    border = [width, height, width, height]
    return (width, height), replace(boxes, xyxy_px=np.clip(boxes.xyxy_px, 0.0, border))


def _write_image(path: Path, image: ColorImage) -> None:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image.bgr):
        raise DataFileError(path, "the image could not be written")


def _zip(out: Path, files: Sequence[Path]) -> None:
    # images are compressed already
    with zipfile.ZipFile(out / "task.zip", "w", zipfile.ZIP_STORED) as archive:
        for one in files:
            archive.write(one, one.relative_to(out))
