"""Obstacle points as ``sensor_msgs/PointCloud2``: a Nav2 costmap source that fusion reads, too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Obstacles, PointCloud
from perception_stack.errors import DecodeError
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.clouds import cloud_from_msg, field_of
from perception_stack.io.messages.headers import Build, bytes_of, header_to_msg

_LAYOUT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("box", "<i4")])
_FLOAT32, _INT32 = 7, 5


def obstacle_points_to_msg(obstacles: Obstacles, *, build: Build = build_message) -> Any:
    """A ``sensor_msgs/PointCloud2`` of x, y, z and ``box``.

    ``box`` is the index of the box of the same stamp that a point belongs to, -1 for none.
    """
    num = len(obstacles.xyz_m)
    table = np.empty(num, dtype=_LAYOUT)
    for column, axis in enumerate("xyz"):
        table[axis] = obstacles.xyz_m[:, column]
    table["box"] = obstacles.box_of_point
    return build(
        "sensor_msgs/msg/PointCloud2",
        header=header_to_msg(obstacles.stamp_ns, obstacles.frame_id, build=build),
        height=1,
        width=num,
        fields=[
            build(
                "sensor_msgs/msg/PointField",
                name=name,
                offset=4 * i,
                datatype=_INT32 if name == "box" else _FLOAT32,
                count=1,
            )
            for i, name in enumerate(_LAYOUT.names or ())
        ],
        is_bigendian=False,
        point_step=_LAYOUT.itemsize,
        row_step=num * _LAYOUT.itemsize,
        data=bytes_of(table),
        is_dense=True,
    )


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
