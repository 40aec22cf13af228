"""Results: a CSV file with one estimated pose a line, for outside tools to score."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError
from perception_stack.io.bop.files import METRES
from perception_stack.io.text_files import read_text

COLUMNS = ("scene_id", "im_id", "obj_id", "score", "R", "t", "time")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BopResult:
    """One estimated pose.

    Attributes:
        scene_id: Number of the scene.
        im_id: Number of the image.
        obj_id: Number of the object.
        score: The more, the surer.
        camera_from_model: float64 [4, 4], metres.
        time_s: That all poses of the image took; -1 where it was not measured.
    """

    scene_id: int
    im_id: int
    obj_id: int
    score: float
    camera_from_model: FloatArray
    time_s: float = -1.0


def write_results(path: Path, results: Sequence[BopResult]) -> None:
    """Write poses, in the order given."""
    lines = [",".join(COLUMNS)]
    for one in results:
        rotation = " ".join(f"{value:.9g}" for value in one.camera_from_model[:3, :3].ravel())
        shift = " ".join(f"{value / METRES:.6f}" for value in one.camera_from_model[:3, 3])
        start = f"{one.scene_id},{one.im_id},{one.obj_id},{one.score:.6g}"
        lines.append(f"{start},{rotation},{shift},{one.time_s:.6g}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_results(path: Path) -> list[BopResult]:
    """The poses of a file, in its order.

    Raises:
        DataFileError: it cannot be read, or a line does not hold together.
    """
    rows = [row for row in csv.reader(read_text(path).splitlines()) if row]
    if rows and rows[0][0].strip() == COLUMNS[0]:
        rows = rows[1:]
    return [_result(path, number, row) for number, row in enumerate(rows, start=1)]


def _result(path: Path, number: int, row: list[str]) -> BopResult:
    try:
        scene_id, im_id, obj_id, score, rotation, shift, time_s = row
        pose = np.eye(4)
        pose[:3, :3] = np.array(rotation.split(), dtype=np.float64).reshape(3, 3)
        pose[:3, 3] = METRES * np.array(shift.split(), dtype=np.float64).reshape(3)
        return BopResult(
            scene_id=int(scene_id),
            im_id=int(im_id),
            obj_id=int(obj_id),
            score=float(score),
            camera_from_model=pose,
            time_s=float(time_s),
        )
    except ValueError as error:
        raise DataFileError(path, f"result {number}: {error}") from error
