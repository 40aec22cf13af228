"""RRC's 2-D detections of the tracking benchmark, in the image of the left colour camera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from perception_stack.datatypes import Detections2D
from perception_stack.errors import DataFileError
from perception_stack.io.kitti.calibration import CAMERA
from perception_stack.io.kitti.detections import read_detections_2d
from perception_stack.io.kitti.stamps import stamp_of_frame

FOLDERS = {"car": "rrc2d_Car", "pedestrian": "rrc2d_Pedestrian"}
"""Folder of each class, in ``detection``."""

# as LOGIT_SCALE of pointrcnn.py, from the same sequences: hardly a car is false at any score
_LOGIT_SCALE = {"car": (-3.0, 1.0), "pedestrian": (0.9, 0.45)}


def rrc_files(folder: Path, file: str) -> dict[str, Path]:
    """The files of a sequence that are there, by class."""
    paths = {label: folder / name / file for label, name in FOLDERS.items()}
    return {label: path for label, path in paths.items() if path.exists()}


def read_rrc(folder: Path, file: str, *, num_frames: int | None = None) -> list[Detections2D]:
    """Detections of a sequence with the detector's own scores, one entry for each frame.

    Args:
        folder: The sequence's ``detection`` folder; a class without a file has no detections.
        file: Name of the files in the folders of the classes.
        num_frames: Length of the sequence; None for up to the last frame that has any.

    Raises:
        DataFileError: no class has a file, or a row does not fit.
    """
    present = rrc_files(folder, file)
    if not present:
        raise DataFileError(folder, f"none of {', '.join(FOLDERS.values())} has {file}")
    frames = read_detections_2d(present)
    num = max(frames, default=-1) + 1 if num_frames is None else num_frames
    return [
        frames[number]
        if number in frames
        else Detections2D.empty(frame_id=CAMERA, stamp_ns=stamp_of_frame(number))
        for number in range(num)
    ]


def believed(detections: Detections2D) -> Detections2D:
    """The same with scores that are probabilities of being right."""
    scale = np.array([_LOGIT_SCALE[label] for label in detections.labels]).reshape(-1, 2)
    score = np.clip(detections.score, 1e-9, 1 - 1e-9)
    logit = np.log(score / (1 - score))
    return replace(detections, score=1 / (1 + np.exp(-(logit - scale[:, 0]) / scale[:, 1])))
