"""A task for people who label, of snippets that were collected.

The folder gets ``images/``, the boxes of the detector as a first guess, ``labels.json`` for
CVAT's raw editor of labels, ``reasons.json``, which says for each image why it is worth the work,
and ``task.zip``, which holds images and boxes as CVAT imports them.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.errors import ConfigError, DataFileError
from perception_stack.io import messages
from perception_stack.io.bags import BagReader
from perception_stack.io.coco import LabelledImage, write_coco
from perception_stack.io.cvat import write_cvat, write_labels
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
    images: list[LabelledImage] = []
    reasons: dict[str, list[str]] = {}
    for snippet in listed:
        for image, boxes in _chosen(snippets / snippet.bag, snippet, every_image=every_image):
            name = f"{snippet.bag}_{image.stamp_ns}.png"
            _write_image(out / _IMAGES[layout] / name, image)
            images.append(_labelled(name, image, boxes))
            reasons[name] = [f"{one.why.value}: {one.text}" for one in snippet.reasons]
        on_snippet()
    if not images:
        raise DataFileError(snippets, f"no image in its {len(listed)} snippets")
    classes = sorted({label for one in images for label in one.labels})
    boxes_file = out / _BOXES[layout]
    (write_coco if layout == "coco" else write_cvat)(boxes_file, images, classes)
    write_labels(out / "labels.json", classes)
    (out / "reasons.json").write_text(json.dumps(reasons, indent=1) + "\n", encoding="utf-8")
    _zip(out, [boxes_file, *(out / _IMAGES[layout] / one.file_name for one in images)])
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


def _labelled(name: str, image: ColorImage, boxes: Detections2D | None) -> LabelledImage:
    height, width = image.bgr.shape[:2]
    xyxy_px = np.empty((0, 4)) if boxes is None else boxes.xyxy_px
    return LabelledImage(
        file_name=name,
        size_px=(width, height),
        xyxy_px=np.clip(xyxy_px, 0.0, [width, height, width, height]),
        labels=() if boxes is None else boxes.labels,
        crowd=np.zeros(len(xyxy_px), dtype=np.bool_),
        score=np.empty(0) if boxes is None else boxes.score,
    )


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
