"""PointRCNN detections of the tracking benchmark, as a tracker wants them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.errors import DataFileError
from perception_stack.io.kitti.calibration import RECT
from perception_stack.io.kitti.detections import read_detections_3d
from perception_stack.io.kitti.stamps import stamp_of_frame

FOLDERS = {
    "car": "pointrcnn_Car",
    "cyclist": "pointrcnn_Cyclist",
    "pedestrian": "pointrcnn_Pedestrian",
}
"""Folder of each class, in ``detection``."""

# (logit - first) / second is taken as the log odds of a detection being right. Of cars and
# cyclists near what benchmarks/pointrcnn_scores.py gives for sequences 0000 0003 0006 0010 0012,
# (2.6, 1.0) and (3.4, 0.5); these have too few pedestrians (65 of 1374) to fit their pair.
LOGIT_SCALE = {"car": (2.7, 1.1), "cyclist": (3.5, 0.8), "pedestrian": (3.2, 0.8)}
# standard deviations of a box: at hand, and in addition for each metre of distance (rounded, of
# what changes from frame to frame about labelled objects of the same sequences): along the line of
# sight, across it, upwards in metres; about every axis in radians
_ALONG_M, _ACROSS_M, _UP_M = (0.035, 0.0017), (0.025, 0.0014), (0.025, 0.0009)
_ROTATION_RAD = {"car": (0.01, 0.0006), "cyclist": (0.03, 0.0006), "pedestrian": (0.07, 0.0006)}


def read_pointrcnn(folder: Path, file: str, *, num_frames: int) -> list[Boxes3D]:
    """Detections of a sequence in ``camera_rect``, one entry for each frame, also without any.

    Args:
        folder: The sequence's ``detection`` folder; a class without a file has no detections.
        file: Name of the files in the folders of the classes.
        num_frames: Length of the sequence.

    Raises:
        DataFileError: no class has a file, a row does not fit, or it is beyond the last frame.
    """
    paths = [folder / name / file for name in FOLDERS.values()]
    present = [path for path in paths if path.exists()]
    if not present:
        raise DataFileError(folder, f"none of {', '.join(FOLDERS.values())} has {file}")
    detections = read_detections_3d(*present)
    if max(detections, default=0) >= num_frames:
        text = f"{file} has detections of frame {max(detections)}, but {num_frames} poses"
        raise DataFileError(folder, text)
    return [
        stated(*detections[frame])
        if frame in detections
        else Boxes3D.empty(frame_id=RECT, stamp_ns=stamp_of_frame(frame))
        for frame in range(num_frames)
    ]


def stated(boxes: Boxes3D, logits: FloatArray) -> Boxes3D:
    """Detections with their noise, and with a score that is a probability.

    Args:
        boxes: Detections as read.
        logits: float64 [N], raw scores.
    """
    scale = np.array([LOGIT_SCALE[label] for label in boxes.labels]).reshape(-1, 2)
    return replace(
        boxes,
        score=1 / (1 + np.exp(-(logits - scale[:, 0]) / scale[:, 1])),
        covariance=_noise(boxes),
        sensors=(("lidar",),) * len(boxes),
    )


def _noise(boxes: Boxes3D) -> FloatArray:
    """Covariance of each box, float64 [N, 6, 6]."""
    away_m = np.hypot(boxes.center_m[:, 0], boxes.center_m[:, 2])
    ray = boxes.center_m * np.array([1.0, 0.0, 1.0]) / np.maximum(away_m, 1e-6)[:, None]
    up = np.array([0.0, -1.0, 0.0])
    along, across, upwards = (_at(spread, away_m) ** 2 for spread in (_ALONG_M, _ACROSS_M, _UP_M))
    covariance = np.zeros((len(boxes), 6, 6))
    covariance[:, :3, :3] = across[:, None, None] * np.eye(3)
    covariance[:, :3, :3] += (along - across)[:, None, None] * ray[:, :, None] * ray[:, None, :]
    covariance[:, :3, :3] += (upwards - across)[:, None, None] * np.outer(up, up)
    spreads = np.array([_ROTATION_RAD[label] for label in boxes.labels]).reshape(-1, 2)
    turn = _at(spreads.T, away_m) ** 2
    covariance[:, 3:, 3:] = turn[:, None, None] * np.eye(3)
    return covariance


def _at(spread: tuple[float, float] | FloatArray, away_m: FloatArray) -> FloatArray:
    deviation: FloatArray = np.hypot(spread[0], spread[1] * away_m)
    return deviation
