"""Ego poses."""

from __future__ import annotations

from pathlib import Path

from perception_stack.errors import CalibrationError, DataFileError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.kitti.calibration import CAMERA
from perception_stack.io.text_files import read_numbers

FIRST_CAMERA = "first_camera_optical"


def read_poses(path: Path) -> list[RigidTransform]:
    """Where the camera was in each frame: first camera from camera.

    Args:
        path: One row of 12 numbers (3x4 row-major) for each frame, as in the odometry benchmark.

    Raises:
        DataFileError: no such file, or a row that is no pose.
    """
    rows = read_numbers(path, delimiter=None)
    try:
        return [
            RigidTransform.from_matrix(row.reshape(3, 4), target=FIRST_CAMERA, source=CAMERA)
            for row in rows
        ]
    except (ValueError, CalibrationError) as error:
        raise DataFileError(path, f"expected 12 numbers of a pose in each row; {error}") from error
