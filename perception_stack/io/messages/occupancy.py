"""Occupancy as ``nav_msgs/OccupancyGrid``."""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import OccupancyGrid
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.headers import Build, header_to_msg, time_to_msg
from perception_stack.io.messages.transforms import pose_to_msg


def occupancy_to_msg(grid: OccupancyGrid, *, build: Build = build_message) -> Any:
    """A ``nav_msgs/OccupancyGrid`` on the plane z = 0 of the grid's frame."""
    height, width = grid.cells.shape
    return build(
        "nav_msgs/msg/OccupancyGrid",
        header=header_to_msg(grid.stamp_ns, grid.frame_id, build=build),
        info=build(
            "nav_msgs/msg/MapMetaData",
            map_load_time=time_to_msg(grid.stamp_ns, build=build),
            resolution=grid.cell_m,
            width=width,
            height=height,
            origin=pose_to_msg(
                np.append(grid.origin_xy_m, 0.0), np.array([0.0, 0.0, 0.0, 1.0]), build=build
            ),
        ),
        data=np.ascontiguousarray(grid.cells).ravel(),
    )
