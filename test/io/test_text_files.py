"""One way to say that a text file cannot be read, whichever of the formats it holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_stack.errors import DataFileError
from perception_stack.io.bop import read_models, read_results
from perception_stack.io.calibration_files import read_camera_info, read_extrinsics
from perception_stack.io.grasps import read_grasps
from perception_stack.io.kitti import (
    read_calibration,
    read_detections_2d,
    read_object_labels,
    read_poses,
    read_tracking_labels,
)
from perception_stack.io.results import read_boxes, read_objects
from perception_stack.io.text_files import (
    read_json,
    read_numbers,
    read_rows,
    read_text,
    read_yaml,
)

READERS: dict[str, Callable[[Path], Any]] = {
    "text": read_text,
    "yaml": read_yaml,
    "json": read_json,
    "numbers": read_numbers,
    "rows": lambda path: list(read_rows(path, num_columns=1)),
    "extrinsics": read_extrinsics,
    "camera_info": read_camera_info,
    "grasps": read_grasps,
    "objects": read_objects,
    "boxes": read_boxes,
    "kitti calibration": read_calibration,
    "kitti poses": read_poses,
    "kitti labels": lambda path: read_object_labels(path, stamp_ns=0),
    "bop results": read_results,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_absent_files_and_other_than_text_are_named(
    tmp_path: Path, read: Callable[[Path], Any]
) -> None:
    with pytest.raises(DataFileError, match=r"absent\.txt.*No such file"):
        read(tmp_path / "absent.txt")
    with pytest.raises(DataFileError, match=r"cannot read.*directory"):
        read(tmp_path)
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(DataFileError, match=r"image\.png.*not a text file"):
        read(tmp_path / "image.png")


@pytest.mark.parametrize(
    ("read", "content", "text"),
    [
        (read_yaml, "a: [", "not YAML"),
        (read_json, "{", "not JSON"),
        (read_extrinsics, "a: [", "not YAML"),
        (read_camera_info, "a: [", "not YAML"),
        (read_numbers, "1,2\n3,b\n", "not a table of numbers"),
        (read_numbers, "1,2\n3\n", "not a table of numbers"),
        (lambda path: read_detections_2d({"car": path}), "0,1,2,3,4,1\nnan,1,2,3,4,1", "line 2"),
        (read_tracking_labels, "inf 1 " + "Car 0 0" + " 1" * 12, "line 1.*not finite"),
    ],
)
def test_content_that_is_none(
    tmp_path: Path, read: Callable[[Path], Any], content: str, text: str
) -> None:
    (tmp_path / "file").write_text(content)
    with pytest.raises(DataFileError, match=text):
        read(tmp_path / "file")


def test_entries_of_models_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "models_info.json").write_text('{"one": {}}')
    with pytest.raises(DataFileError, match="its keys are no numbers"):
        read_models(tmp_path)


def test_tables_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text("1,2\n\n3,4\n")
    np.testing.assert_array_equal(read_numbers(path), [[1, 2], [3, 4]])
    path.write_text("1 2\n")
    np.testing.assert_array_equal(read_numbers(path, delimiter=None), [[1, 2]])
    path.write_text("\n")
    assert len(read_numbers(path)) == 0
