"""Labels of images, COCO's file or KITTI's folder, as a model would name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from perception_stack.errors import DataFileError
from perception_stack.evaluation.precision_change import ImageTruth
from perception_stack.io.coco import read_coco
from perception_stack.io.kitti.labels import read_object_labels

# alike enough that finding one is no mistake, and not finding it neither
_BESIDE = {"van": "car", "person_sitting": "pedestrian"}


def read_truth(
    path: Path, files: Sequence[Path], class_map: Mapping[str, str]
) -> list[ImageTruth]:
    """What is to be seen in images.

    Args:
        path: COCO's JSON file, or a folder with a text file per image in KITTI's layout.
        files: The images.
        class_map: Other names for some classes.

    Raises:
        DataFileError: there are no labels of an image.
    """
    if path.is_dir():
        return [_kitti(path / f"{one.stem}.txt") for one in files]
    images = read_coco(path)
    truth = []
    for file in files:
        if file.name not in images:
            raise DataFileError(path, f"it does not name image {file.name}")
        one = images[file.name]
        labels = tuple(class_map.get(name, name) for name in one.labels)
        truth.append(ImageTruth(xyxy_px=one.xyxy_px, labels=labels, ignored=one.crowd))
    return truth


def _kitti(path: Path) -> ImageTruth:
    found = read_object_labels(path, stamp_ns=0)
    # the class of each row, not the shared order of the belief
    names = found.boxes.labels if len(found.boxes) else ()
    return ImageTruth(
        xyxy_px=found.xyxy_px,
        labels=tuple(_BESIDE.get(name, name) for name in names),
        ignored=np.array([name in _BESIDE for name in names], dtype=np.bool_),
        regions_px=found.dont_care_xyxy_px,
    )
