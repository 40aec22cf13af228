"""``poses.csv`` of cam_lidar_calibration (ACFR): corners of a board as camera and LiDAR saw it.

19 rows of three numbers a pose, in millimetres: centre, normal and four corners in the camera, the
same in the LiDAR, angles, widths, heights, distance, scale and number. Only the corners are used;
their order differs between the sensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError
from perception_stack.io.text_files import read_numbers

_ROWS = 19


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoardCorners:
    """Corners of the same boards in both sensors.

    Attributes:
        names: N names.
        camera_m: float64 [N, 4, 3].
        lidar_m: float64 [N, 4, 3].
    """

    names: tuple[str, ...]
    camera_m: FloatArray
    lidar_m: FloatArray


def read_board_poses(path: Path) -> BoardCorners:
    """The corners of a file.

    Raises:
        DataFileError: no such file, or not of this layout.
    """
    rows = read_numbers(path)
    if not len(rows) or len(rows) % _ROWS or rows.shape[1] != 3:
        text = f"{rows.shape[0]} rows of {rows.shape[1]} numbers; a pose has 19 rows of 3"
        raise DataFileError(path, text)
    poses = rows.reshape(-1, _ROWS, 3)
    return BoardCorners(
        names=tuple(f"pose {round(float(one[18, 0]))}" for one in poses),
        camera_m=poses[:, 2:6] / 1000,
        lidar_m=poses[:, 8:12] / 1000,
    )
