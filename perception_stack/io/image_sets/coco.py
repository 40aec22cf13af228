"""Detection data in COCO's format: one JSON file of boxes and a folder of images a split.

Besides COCO's own keys an annotation may have ``ignore`` (0 or 1), ``hard`` (0 or 1) and
``occluded`` (a share), and an image ``group`` (a number) and ``kind`` (a word).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray, ImageLabels
from perception_stack.errors import DataFileError
from perception_stack.io.image_sets import ImageSet, LabelledImage
from perception_stack.io.text_files import read_json

ANNOTATIONS, IMAGES = "annotations.json", "images"

_LAYOUTS = (
    "{split}/annotations.json",
    "{split}/_annotations.coco.json",
    "annotations/instances_{split}.json",
    "annotations/instances_{split}2017.json",
)
_FOLDERS = ("{split}/images", "{split}", "{split}2017", "images/{split}", "images", ".")


def find_annotations(root: Path, split: str) -> Path | None:
    """The file of a split in any of the usual layouts, None if there is none."""
    names = (pattern.format(split=split) for pattern in _LAYOUTS)
    return next((root / name for name in names if (root / name).is_file()), None)


def read_coco(root: Path, split: str) -> ImageSet:
    """A split of a COCO folder.

    Images without annotations are kept: there is nothing to be found in them. A box without area
    is left out, as COCO itself has some, and named in the remarks.

    Raises:
        DataFileError: something is missing or malformed; says which image or annotation.
    """
    file = find_annotations(root, split)
    if file is None:
        tried = ", ".join(pattern.format(split=split) for pattern in _LAYOUTS)
        raise DataFileError(root, f"no annotations of split '{split}'; looked for {tried}")
    content = _parsed(file)
    names = _classes(content["categories"], file)
    rows: dict[Any, list[tuple[Any, ...]]] = {}
    remarks = []
    infos = {_key(one, "id", file, "an image"): one for one in content["images"]}
    for one in content["annotations"]:
        what = f"annotation {one.get('id') if isinstance(one, Mapping) else one!r}"
        image_id = _key(one, "image_id", file, what)
        if image_id not in infos:
            raise DataFileError(file, f"{what}: there is no image {image_id}")
        category = _key(one, "category_id", file, what)
        if category not in names:
            raise DataFileError(file, f"{what}: there is no category {category}")
        x, y, width, height = _box(_key(one, "bbox", file, what), file, what)
        if width <= 0 or height <= 0:
            remarks.append(f"{what} has no area and is left out")
            continue
        ignored = bool(one.get("iscrowd", 0) or one.get("ignore", 0))
        hard = ignored or bool(one.get("hard", 0))
        occluded = float(one.get("occluded", np.nan))
        box = (x, y, x + width, y + height)
        row = (box, names[category], ignored, hard, occluded)
        rows.setdefault(image_id, []).append(row)
    images = tuple(
        _image(info, number, rows.get(image_id, []), root=root, split=split, file=file)
        for number, (image_id, info) in enumerate(infos.items())
    )
    return ImageSet(classes=tuple(names.values()), images=images, remarks=tuple(remarks))


def image_entry(
    file_name: str,
    size_px: tuple[int, int],
    xyxy_px: FloatArray,
    labels: Sequence[str],
    *,
    of_boxes: Mapping[str, Sequence[Any]],
    **of_image: Any,
) -> dict[str, Any]:
    """One image as :func:`write_annotations` takes it.

    Args:
        file_name: Its name, without the folder.
        size_px: Width and height.
        xyxy_px: float64 [N, 4], corners that count from the border of the first pixel.
        labels: N class names.
        of_boxes: Further keys of the annotations, each with N values.
        **of_image: Further keys of the image.
    """
    width, height = size_px
    boxes = np.hstack([xyxy_px[:, :2], xyxy_px[:, 2:] - xyxy_px[:, :2]]).tolist()
    rows = zip(labels, boxes, *of_boxes.values(), strict=True)
    annotations = [
        {"category": label, "bbox": bbox, **dict(zip(of_boxes, values, strict=True))}
        for label, bbox, *values in rows
    ]
    size = {"width": width, "height": height}
    return {"file_name": file_name, **size, **of_image, "annotations": annotations}


def write_annotations(
    path: Path, *, classes: Iterable[str], images: Iterable[Mapping[str, Any]]
) -> None:
    """Write the annotations of a split; an existing file is replaced.

    Args:
        path: The JSON file.
        classes: Names, which get the ids 1 and up.
        images: Made by :func:`image_entry`; the ids are given here.
    """
    names = list(classes)
    listed: list[Any] = []
    annotations: list[Any] = []
    for image_id, image in enumerate(images, start=1):
        listed.append({"id": image_id, **{k: v for k, v in image.items() if k != "annotations"}})
        for one in image["annotations"]:
            rest = {k: v for k, v in one.items() if k != "category"}
            ids = {"id": len(annotations) + 1, "image_id": image_id}
            category = names.index(one["category"]) + 1
            width, height = one["bbox"][2:]
            usual = {"area": width * height, "iscrowd": 0, "segmentation": []}
            annotations.append({**ids, "category_id": category, **usual, **rest})
    categories = [
        {"id": i, "name": name, "supercategory": ""} for i, name in enumerate(names, start=1)
    ]
    content = {"images": listed, "annotations": annotations, "categories": categories}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def _parsed(file: Path) -> dict[str, list[Any]]:
    content = read_json(file)
    for name in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise DataFileError(file, f"it has no list '{name}'")
    return dict(content)


def _classes(categories: list[Any], file: Path) -> dict[Any, str]:
    names = {
        _key(one, "id", file, "a category"): str(_key(one, "name", file, "a category"))
        for one in categories
    }
    if not names or len(names) < len(categories) or len(set(names.values())) < len(names):
        raise DataFileError(file, "categories are missing or repeated")
    return names


def _image(
    info: Mapping[str, Any],
    number: int,
    rows: list[tuple[Any, ...]],
    *,
    root: Path,
    split: str,
    file: Path,
) -> LabelledImage:
    name = str(_key(info, "file_name", file, f"image {info['id']}"))
    places = [root / pattern.format(split=split) / name for pattern in _FOLDERS]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise DataFileError(file, f"image {info['id']}: no file '{name}' in {root}")
    boxes, labels, ignored, hard, occluded = zip(*rows, strict=True) if rows else ((),) * 5
    truth = ImageLabels(
        xyxy_px=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        labels=tuple(labels),
        ignored=np.array(ignored, dtype=bool),
        hard=np.array(hard, dtype=bool),
        occluded=np.array(occluded, dtype=np.float64),
    )
    return LabelledImage(
        path=path,
        truth=truth,
        group=int(info.get("group", number)),
        kind=str(info.get("kind", "")),
    )


def _key(one: Any, name: str, file: Path, what: str) -> Any:
    if not isinstance(one, Mapping) or name not in one:
        raise DataFileError(file, f"{what} has no '{name}'")
    return one[name]


def _box(value: Any, file: Path, what: str) -> tuple[float, float, float, float]:
    try:
        x, y, width, height = (float(one) for one in value)
    except (TypeError, ValueError) as error:
        raise DataFileError(file, f"{what}: bbox {value!r} is not four numbers") from error
    if not np.isfinite([x, y, width, height]).all():
        raise DataFileError(file, f"{what}: bbox {value!r} is not finite")
    return x, y, width, height
