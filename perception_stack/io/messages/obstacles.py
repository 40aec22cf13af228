"""Obstacle points as ``sensor_msgs/PointCloud2``: a Nav2 costmap source that fusion reads, too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Obstacles, PointCloud
from perception_stack.errors import DecodeError
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.clouds import cloud_from_msg, field_of, table_to_msg
from perception_stack.io.messages.headers import Build, header_to_msg

_LAYOUT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("box", "<i4")])


def obstacle_points_to_msg(obstacles: Obstacles, *, build: Build = build_message) -> Any:
    """A ``sensor_msgs/PointCloud2`` of x, y, z and ``box``.

    ``box`` is the index of the box of the same stamp that a point belongs to, -1 for none.
    """
    table = np.empty(len(obstacles.xyz_m), dtype=_LAYOUT)
    for column, axis in enumerate("xyz"):
        table[axis] = obstacles.xyz_m[:, column]
    table["box"] = obstacles.box_of_point
    header = header_to_msg(obstacles.stamp_ns, obstacles.frame_id, build=build)
    return table_to_msg(table, header, is_dense=True, build=build)


def obstacle_points_from_msg(message: Any) -> tuple[PointCloud, NDArray[np.int32]]:
    """The points, and the index of the box each belongs to, int32 [P].

    Args:
        message: ``sensor_msgs/PointCloud2``; without a field ``box`` no point belongs to any.

    Raises:
        DecodeError: as of any cloud, or indices that are not whole numbers.
    """
    cloud = cloud_from_msg(message)
    box = field_of(message, "box") if len(cloud) else None
    if box is None:
        return cloud, np.full(len(cloud), -1, dtype=np.int32)
    if box.dtype.kind not in "iu":
        raise DecodeError(f"cloud field box holds {box.dtype}, not whole numbers")
    return cloud, np.ascontiguousarray(box, dtype=np.int32)
