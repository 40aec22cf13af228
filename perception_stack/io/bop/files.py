"""JSON files of the format, with errors that say what is wrong in which file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError
from perception_stack.io.text_files import read_json

METRES = 0.001


def read_numbered(path: Path) -> dict[int, Any]:
    """A JSON file whose keys are numbers.

    Raises:
        DataFileError: it cannot be read, or its keys are no numbers.
    """
    try:
        return {int(key): value for key, value in read_json(path).items()}
    except (ValueError, AttributeError) as error:
        raise DataFileError(path, f"its keys are no numbers: {error}") from error


def numbers(path: Path, entry: Any, key: str, num: int) -> FloatArray:
    """So many numbers of an entry.

    Raises:
        DataFileError: they are absent, or not so many numbers.
    """
    try:
        values = np.asarray(entry[key], dtype=np.float64).ravel()
    except (KeyError, TypeError, ValueError) as error:
        raise DataFileError(path, f"no numbers '{key}' in an entry: {error!r}") from error
    if len(values) != num or not np.isfinite(values).all():
        raise DataFileError(path, f"'{key}' is not {num} finite numbers")
    return values


def pose_of(path: Path, entry: Any, rotation: str, translation: str) -> FloatArray:
    """Pose, float64 [4, 4], of a rotation (row by row) and a translation in millimetres."""
    pose = np.eye(4)
    pose[:3, :3] = numbers(path, entry, rotation, 9).reshape(3, 3)
    pose[:3, 3] = METRES * numbers(path, entry, translation, 3)
    return pose
