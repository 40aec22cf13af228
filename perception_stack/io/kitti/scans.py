"""LiDAR scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_stack.datatypes import PointCloud
from perception_stack.errors import DataFileError
from perception_stack.io.kitti.calibration import VELODYNE
from perception_stack.io.pcd import read_pcd


def read_scan(path: Path, *, stamp_ns: int) -> PointCloud:
    """A scan in the LiDAR's frame; intensity is the reflectance in [0, 1].

    Args:
        path: ``.bin`` with little-endian float32 x, y, z, reflectance, or ``.pcd``.
        stamp_ns: Stamp to give it.

    Raises:
        DataFileError: no such file, or its size does not fit.
    """
    if path.suffix == ".pcd":
        return read_pcd(path, frame_id=VELODYNE, stamp_ns=stamp_ns)
    try:
        values = np.fromfile(path, dtype="<f4")
        num_bytes = path.stat().st_size
    except OSError as error:
        raise DataFileError(path, error.strerror or str(error)) from error
    if num_bytes % 16:
        raise DataFileError(path, f"{num_bytes} bytes are not a whole number of 16-byte points")
    points = values.reshape(-1, 4)
    return PointCloud(
        frame_id=VELODYNE,
        stamp_ns=stamp_ns,
        xyz_m=np.ascontiguousarray(points[:, :3], dtype=np.float32),
        intensity=np.ascontiguousarray(points[:, 3], dtype=np.float32),
    )
