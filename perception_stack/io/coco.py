"""Boxes in images as COCO keeps them: one JSON file for a folder of images.

``bbox`` is left, top, width, height; images, categories and annotations refer to each other by
number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_array, check_rows
from perception_stack.errors import DataFileError


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """Boxes of one image file.

    Attributes:
        file_name: As the JSON file names it.
        size_px: Width and height.
        xyxy_px: float64 [N, 4].
        labels: N classes.
        crowd: bool [N], boxes around many objects at once.
        score: float64 [N] of boxes that a model found; None for labels.
    """

    file_name: str
    size_px: tuple[int, int]
    xyxy_px: FloatArray
    labels: tuple[str, ...]
    crowd: NDArray[np.bool_]
    score: FloatArray | None = None

    def __post_init__(self) -> None:
        num = len(self.xyxy_px)
        check_array("xyxy_px", self.xyxy_px, np.float64, num, 4)
        check_rows("labels", self.labels, num)
        check_array("crowd", self.crowd, np.bool_, num)
        if self.score is not None:
            check_array("score", self.score, np.float64, num)


def read_coco(path: Path) -> dict[str, LabelledImage]:
    """Labelled images by file name.

    Raises:
        DataFileError: no such file, or not COCO's layout.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {one["id"]: str(one["name"]) for one in content["categories"]}
        rows: dict[int, list[dict[str, Any]]] = {one["id"]: [] for one in content["images"]}
        for one in content["annotations"]:
            rows[one["image_id"]].append(one)
        return {
            str(image["file_name"]): _image(image, rows[image["id"]], names)
            for image in content["images"]
        }
    except OSError as error:
        raise DataFileError(path, str(error.strerror)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataFileError(path, f"not COCO's layout: {error!r}") from error


def _image(
    image: dict[str, Any], rows: Sequence[dict[str, Any]], names: dict[int, str]
) -> LabelledImage:
    ltwh_px = np.array([one["bbox"] for one in rows], dtype=np.float64).reshape(-1, 4)
    scores = [one.get("score") for one in rows]
    known = bool(scores) and None not in scores
    return LabelledImage(
        file_name=str(image["file_name"]),
        size_px=(int(image["width"]), int(image["height"])),
        xyxy_px=np.hstack([ltwh_px[:, :2], ltwh_px[:, :2] + ltwh_px[:, 2:]]),
        labels=tuple(names[one["category_id"]] for one in rows),
        crowd=np.array([bool(one.get("iscrowd", 0)) for one in rows], dtype=np.bool_),
        score=np.array(scores, dtype=np.float64) if known else None,
    )


def write_coco(path: Path, images: Sequence[LabelledImage], classes: Sequence[str]) -> None:
    """Write labelled images; an existing file is replaced.

    Args:
        path: The JSON file.
        images: What to write.
        classes: Names of the categories, numbered from 1 in this order.
    """
    numbers = {name: i for i, name in enumerate(classes, start=1)}
    annotations: list[dict[str, Any]] = []
    for image_id, image in enumerate(images, start=1):
        for i, (left, top, right, bottom) in enumerate(image.xyxy_px.tolist()):
            annotation = {
                "id": len(annotations) + 1,
                "image_id": image_id,
                "category_id": numbers[image.labels[i]],
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "iscrowd": int(image.crowd[i]),
                "segmentation": [],
            }
            if image.score is not None:
                annotation["score"] = float(image.score[i])
            annotations.append(annotation)
    content = {
        "info": {"description": path.stem},
        "licenses": [],
        "images": [
            {
                "id": i,
                "file_name": one.file_name,
                "width": one.size_px[0],
                "height": one.size_px[1],
            }
            for i, one in enumerate(images, start=1)
        ],
        "categories": [
            {"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()
        ],
        "annotations": annotations,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
