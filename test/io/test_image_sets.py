"""Labelled images in the formats of COCO and KITTI; what is malformed is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from perception_stack.errors import DataFileError
from perception_stack.io.image_sets.coco import (
    ANNOTATIONS,
    image_entry,
    read_coco,
    write_annotations,
)
from perception_stack.io.image_sets.kitti import read_kitti

GOOD: dict[str, Any] = {
    "images": [
        {"id": 7, "file_name": "a.jpg", "width": 60, "height": 40},
        {"id": 3, "file_name": "b.jpg", "width": 60, "height": 40},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 18, "bbox": [5, 6, 10, 20], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 0, 30, 30], "iscrowd": 1},
        {"id": 9, "image_id": 7, "category_id": 2, "bbox": [1, 1, 0, 5], "iscrowd": 0},
    ],
    "categories": [{"id": 2, "name": "bicycle"}, {"id": 18, "name": "dog"}],
}


def write_coco(root: Path, content: Any) -> None:
    (root / "annotations").mkdir(parents=True)
    (root / "train2017").mkdir()
    for name in ("a.jpg", "b.jpg"):
        cv2.imwrite(str(root / "train2017" / name), np.zeros((40, 60, 3), dtype=np.uint8))
    text = content if isinstance(content, str) else json.dumps(content)
    (root / "annotations" / "instances_train2017.json").write_text(text)


def test_coco_is_read(tmp_path: Path) -> None:
    write_coco(tmp_path, GOOD)
    images = read_coco(tmp_path, "train")
    assert images.classes == ("bicycle", "dog")
    first, second = images.images
    np.testing.assert_array_equal(first.truth.xyxy_px, [[5, 6, 15, 26], [0, 0, 30, 30]])
    assert first.truth.labels == ("dog", "bicycle")
    assert first.truth.ignored.tolist() == first.truth.hard.tolist() == [False, True]
    assert len(second.truth) == 0
    assert images.remarks == ("annotation 9 has no area and is left out",)


def test_corners_become_corner_and_size() -> None:
    entry = image_entry(
        "a.jpg",
        (60, 40),
        np.array([[5.0, 6, 15, 26], [0, 0, 30, 31]]),
        ("dog", "cat"),
        of_boxes={"score": [0.5, 0.25], "hard": [0, 1]},
        group=3,
    )
    assert entry == {
        "file_name": "a.jpg",
        "width": 60,
        "height": 40,
        "group": 3,
        "annotations": [
            {"category": "dog", "bbox": [5, 6, 10, 20], "score": 0.5, "hard": 0},
            {"category": "cat", "bbox": [0, 0, 30, 31], "score": 0.25, "hard": 1},
        ],
    }
    with pytest.raises(ValueError, match="zip"):
        image_entry("a.jpg", (60, 40), np.zeros((2, 4)), ("dog", "cat"), of_boxes={"hard": [0]})


def test_two_names_may_become_one(tmp_path: Path) -> None:
    write_coco(tmp_path, GOOD)
    images = read_coco(tmp_path, "train").renamed({"bicycle": "thing", "dog": "thing"})
    assert images.classes == ("thing",)
    assert images.images[0].truth.labels == ("thing", "thing")
    assert images.remarks


def change(path: tuple[Any, ...], value: Any) -> Callable[[], Any]:
    def changed() -> Any:
        content = json.loads(json.dumps(GOOD))
        place = content
        for step in path[:-1]:
            place = place[step]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return content

    return changed


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: "{", "not JSON", id="no-json"),
        pytest.param(lambda: [1], "no list 'images'", id="no-mapping"),
        pytest.param(change(("categories",), []), "categories are missing", id="no-class"),
        pytest.param(change(("categories", 1, "id"), 2), "repeated", id="same-class-twice"),
        pytest.param(
            change(("annotations", 0, "image_id"), 99), "annotation 1: there is no image 99",
            id="no-such-image",
        ),
        pytest.param(
            change(("annotations", 0, "category_id"), 5), "annotation 1: there is no category 5",
            id="no-such-class",
        ),
        pytest.param(
            change(("annotations", 1, "bbox"), None), "annotation 2 has no 'bbox'", id="no-box"
        ),
        pytest.param(
            change(("annotations", 1, "bbox"), [1, 2, 3]), "annotation 2: bbox", id="three"
        ),
        pytest.param(
            change(("annotations", 0, "bbox"), [1, 2, float("nan"), 4]), "annotation 1: bbox",
            id="nan",
        ),
        pytest.param(change(("annotations", 0), "x"), "annotation 'x'", id="no-annotation"),
        pytest.param(
            change(("images", 1, "file_name"), "c.jpg"), "image 3: no file 'c.jpg'", id="no-file"
        ),
        pytest.param(change(("images", 0, "id"), None), "an image has no 'id'", id="no-id"),
    ],
)  # fmt: skip
def test_malformed_coco_is_named(make: Callable[[], Any], message: str, tmp_path: Path) -> None:
    write_coco(tmp_path, make())
    with pytest.raises(DataFileError, match=message):
        read_coco(tmp_path, "train")


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="no annotations of split 'val'; looked for"):
        read_coco(tmp_path, "val")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "val" / "images").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "val/images/x.png"), np.zeros((9, 9, 3), dtype=np.uint8))
    box = {"category": "b", "bbox": [1.5, 2, 3, 4], "hard": 1, "ignore": 0, "occluded": 0.5}
    info = {"file_name": "x.png", "width": 9, "height": 9, "group": 4, "kind": "plain"}
    file = tmp_path / "val" / ANNOTATIONS
    write_annotations(file, classes=["a", "b"], images=[{**info, "annotations": [box]}])
    (one,) = read_coco(tmp_path, "val").images
    assert (one.group, one.kind) == (4, "plain")
    truth = one.truth
    np.testing.assert_array_equal(truth.xyxy_px, [[1.5, 2, 4.5, 6]])
    assert truth.labels == ("b",)
    assert (truth.ignored[0], truth.hard[0], truth.occluded[0]) == (False, True, 0.5)


KITTI_ROW = "{} 0.00 {} 1.5 100 {} 200 {} 1.5 1.6 3.9 1 2 20 1.5\n"


def write_kitti(root: Path, rows: str) -> None:
    for folder, name in (("image_2", "000000.png"), ("label_2", "000000.txt")):
        (root / "training" / folder).mkdir(parents=True)
        if folder == "image_2":
            cv2.imwrite(str(root / "training" / folder / name), np.zeros((9, 9, 3), np.uint8))
        else:
            (root / "training" / folder / name).write_text(rows)


def test_kitti_is_read(tmp_path: Path) -> None:
    rows = [
        ("Car", 0, 50, 90),
        ("Van", 0, 50, 90),
        ("Cyclist", 2, 50, 90),
        ("Pedestrian", 0, 50, 70),
    ]
    text = "".join(KITTI_ROW.format(*row) for row in rows)
    write_kitti(tmp_path, text + "DontCare -1 -1 -10 1 2 30 40 -1 -1 -1 -1000 -1000 -1000 -10\n")
    images = read_kitti(tmp_path, "all")
    (one,) = images.images
    assert one.truth.labels == ("car", "", "cyclist", "pedestrian", "")
    assert one.truth.hard.tolist() == [False, True, True, True, True]
    assert one.truth.ignored.tolist() == [False, True, False, False, True]
    np.testing.assert_array_equal(one.truth.xyxy_px[0], [100, 50, 201, 91])


def test_malformed_kitti_is_named(tmp_path: Path) -> None:
    write_kitti(tmp_path, "Car 0 0 1 2\n")
    with pytest.raises(DataFileError, match=r"000000\.txt.*line 1 has 5 columns"):
        read_kitti(tmp_path, "all")


def test_kitti_without_labels_or_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="no folder training/label_2"):
        read_kitti(tmp_path, "all")
    write_kitti(tmp_path, "")
    (tmp_path / "training/image_2/000000.png").unlink()
    with pytest.raises(DataFileError, match="no such file"):
        read_kitti(tmp_path, "all")
