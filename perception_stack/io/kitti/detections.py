"""Published detections that come with the tracking benchmark, one file for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_stack.datatypes import Boxes3D, Detections2D, FloatArray
from perception_stack.errors import DataFileError
from perception_stack.io.kitti.calibration import CAMERA
from perception_stack.io.kitti.labels import boxes_from_kitti
from perception_stack.io.kitti.stamps import stamp_of_frame
from perception_stack.io.text_files import read_rows

_CLASSES = {1: "pedestrian", 2: "car", 3: "cyclist"}


def read_detections_3d(*paths: Path) -> dict[int, tuple[Boxes3D, FloatArray]]:
    """Boxes in ``camera_rect`` by frame number, and their raw scores float64 [N].

    The raw score is the detector's logit; the boxes' score is its logistic function, which is how
    such networks are trained.

    Args:
        *paths: Files with rows of frame, type (1 pedestrian, 2 car, 3 cyclist), 2-D box, score,
            h, w, l, x, y, z, ry, alpha.

    Raises:
        DataFileError: no such file, or a row that does not fit.
    """
    frames: dict[int, list[tuple[str, tuple[float, ...]]]] = {}
    for path in paths:
        for row in read_rows(path, num_columns=14):
            label = _CLASSES.get(int(row.numbers[1]))
            if label is None:
                raise DataFileError(path, f"unknown type {row.numbers[1]:g}")
            frames.setdefault(int(row.numbers[0]), []).append((label, row.numbers))
    result = {}
    for frame, rows in sorted(frames.items()):
        table = np.array([numbers for _, numbers in rows])
        raw_score = table[:, 6]
        boxes = boxes_from_kitti(
            table[:, 7:14],
            [label for label, _ in rows],
            score=1 / (1 + np.exp(-raw_score)),
            stamp_ns=stamp_of_frame(frame),
        )
        result[frame] = boxes, raw_score
    return result


def read_detections_2d(paths: dict[str, Path]) -> dict[int, Detections2D]:
    """Boxes in the image of the left colour camera by frame number.

    Args:
        paths: File by class name, with rows of frame, left, top, right, bottom, score in [0, 1].

    Raises:
        DataFileError: no such file, or a row that does not fit.
    """
    frames: dict[int, list[tuple[str, tuple[float, ...]]]] = {}
    for label, path in paths.items():
        for row in read_rows(path, num_columns=6):
            frames.setdefault(int(row.numbers[0]), []).append((label, row.numbers))
    result = {}
    for frame, rows in sorted(frames.items()):
        table = np.array([numbers for _, numbers in rows])
        result[frame] = Detections2D(
            frame_id=CAMERA,
            stamp_ns=stamp_of_frame(frame),
            xyxy_px=table[:, 1:5],
            score=table[:, 5],
            labels=tuple(label for label, _ in rows),
        )
    return result
