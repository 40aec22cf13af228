"""Detection data in the format of KITTI's object benchmark: ``training/{image_2,label_2}``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_stack.datatypes import ImageLabels
from perception_stack.errors import DataFileError
from perception_stack.io.image_sets import ImageSet, LabelledImage
from perception_stack.io.kitti.labels import KittiLabels, read_object_labels

CLASSES = ("car", "cyclist", "pedestrian", "truck")
"""What is learnt and scored; other labels, such as van, are neither right nor wrong."""

_IMAGES = (".png", ".jpg")
_LEAST_HEIGHT_PX, _MOST_OCCLUSION, _MOST_TRUNCATION = 25.0, 1, 0.3  # KITTI's "moderate"
_HIDDEN_SHARE = {0: 0.0, 1: 0.25, 2: 0.7}
_VAL_EVERY = 5


def is_kitti(root: Path) -> bool:
    """Whether a folder looks like KITTI's."""
    return (root / "training" / "label_2").is_dir()


def read_kitti(root: Path, split: str) -> ImageSet:
    """A split: what ``ImageSets/SPLIT.txt`` lists, else every fifth frame is ``val``.

    ``test`` is the same as ``val``, and ``all`` is everything.

    Raises:
        DataFileError: something is missing or malformed; says which.
    """
    folder = root / "training"
    if not is_kitti(root):
        raise DataFileError(root, "no folder training/label_2 in it")
    images = []
    for number, file in enumerate(_label_files(folder / "label_2", root / "ImageSets", split)):
        places = [folder / "image_2" / f"{file.stem}{suffix}" for suffix in _IMAGES]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise DataFileError(places[0], "no such file")
        images.append(_image(path, read_object_labels(file, stamp_ns=0), number))
    return ImageSet(classes=CLASSES, images=tuple(images))


def _label_files(labels: Path, lists: Path, split: str) -> list[Path]:
    files = sorted(labels.glob("*.txt"))
    if split == "all":
        return files
    split = "val" if split == "test" else split
    listed = lists / f"{split}.txt"
    if listed.is_file():
        names = set(listed.read_text(encoding="utf-8").split())
        return [file for file in files if file.stem in names]
    return [file for i, file in enumerate(files) if (i % _VAL_EVERY == 0) == (split == "val")]


def _image(path: Path, labels: KittiLabels, number: int) -> LabelledImage:
    boxes = labels.boxes
    # where there is no box there is no class either, and no row to look it up in
    names = boxes.labels if len(boxes) else ()
    other = np.array([one not in CLASSES for one in names], dtype=np.bool_)
    height_px = labels.xyxy_px[:, 3] - labels.xyxy_px[:, 1]
    hard = (
        other
        | (height_px < _LEAST_HEIGHT_PX)
        | (labels.occlusion > _MOST_OCCLUSION)
        | (labels.truncation > _MOST_TRUNCATION)
    )
    num_regions = len(labels.dont_care_xyxy_px)
    pixel = np.array([0.0, 0.0, 1.0, 1.0])  # KITTI names the last pixel, not its border
    truth = ImageLabels(
        xyxy_px=np.concatenate([labels.xyxy_px, labels.dont_care_xyxy_px]) + pixel,
        labels=(*(one if one in CLASSES else "" for one in names), *[""] * num_regions),
        ignored=np.append(other, np.ones(num_regions, dtype=bool)),
        hard=np.append(hard, np.ones(num_regions, dtype=bool)),
        occluded=np.append(
            [_HIDDEN_SHARE.get(int(one), np.nan) for one in labels.occlusion],
            np.full(num_regions, np.nan),
        ),
    )
    return LabelledImage(path=path, truth=truth, group=number, kind="kitti")
