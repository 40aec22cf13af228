"""Where a robot may drive: free, occupied or unknown, seen from above, as Nav2 reads it.

A cell is occupied where something stands on the ground. It is **free only where a beam passed
through it low above the ground**: what stands there and is taller would have stopped that beam. A
beam on its way to the ground comes low only near its end, so what lies behind a wall, and the
shadow behind a car that the beams over its roof cross high up, stay unknown, as does every place
that no beam came near.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, OccupancyGrid
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.lidar.clustering import NO_CLUSTER
from perception_stack.lidar.columns import Columns
from perception_stack.lidar.config import LidarDetectorConfig

UNKNOWN, FREE, OCCUPIED = -1, 0, 100
"""Values of ``nav_msgs/OccupancyGrid``."""

_NEAR_M = 15.0


def occupancy_grid(
    columns: Columns,
    ground_m: FloatArray,
    cluster_of_point: NDArray[np.int32],
    config: LidarDetectorConfig,
    *,
    level_from_sensor: RigidTransform,
    stamp_ns: int,
) -> OccupancyGrid:
    """The grid of one scan.

    The ground between the sensor and the end of a beam is taken to be straight. Beams are taken to
    start at the origin of the sensor's frame, which in a scan joined of several LiDARs holds for
    those of the leading one only.

    Args:
        columns: The scan, K columns, N points.
        ground_m: float64 [K], z of the ground at each column, in the sensor's frame.
        cluster_of_point: int32 [N], at least :data:`~perception_stack.lidar.clustering.NO_CLUSTER`
            for points that stand on the ground.
        config: Size of the grid.
        level_from_sensor: Where the sensor is in a level frame, fixed or the robot's own.
        stamp_ns: Stamp of the scan.
    """
    cell_m = config.grid_cell_m
    half = int(np.ceil(config.grid_range_m / cell_m))
    middle = np.floor(level_from_sensor.translation_m[:2] / cell_m)
    origin_xy_m = (middle - half) * cell_m
    cells = np.full((2 * half, 2 * half), UNKNOWN, dtype=np.int8)
    ends_m = np.column_stack([columns.xy_m, columns.lowest_m])
    sensor_height_m = -_ground_at_sensor(columns.xy_m, ground_m)
    rotation = level_from_sensor.rotation.copy()
    start_cells = (level_from_sensor.translation_m[:2] - origin_xy_m) / cell_m
    _mark_free(
        ends_m @ rotation[:2].T / cell_m,
        columns.lowest_m - ground_m,
        sensor_height_m,
        config.grid_free_m,
        start_cells,
        cells,
    )
    _mark_occupied(
        columns.xyz_m,
        cluster_of_point,
        NO_CLUSTER,
        rotation[:2] / cell_m,
        start_cells,
        cells,
    )
    return OccupancyGrid(
        frame_id=level_from_sensor.target,
        stamp_ns=stamp_ns,
        cell_m=cell_m,
        origin_xy_m=origin_xy_m,
        cells=cells,
    )


def _ground_at_sensor(xy_m: FloatArray, ground_m: FloatArray) -> float:
    """Z of the ground below the sensor, which sees it only around: that of the plane nearby."""
    square = np.einsum("ki,ki->k", xy_m, xy_m)
    near = np.flatnonzero(square <= max(_NEAR_M**2, float(square.min())))
    points = np.column_stack([xy_m[near], np.ones(len(near))])
    # a weak belief in a level ground decides where the columns do not
    normal = points.T @ points + np.diag([1.0, 1.0, 0.0])
    return float(np.linalg.solve(normal, points.T @ ground_m[near])[2])


@compiled
def _mark_free(
    ray_cells: Any,
    end_height_m: Any,
    start_height_m: float,
    free_m: float,
    start_cells: Any,
    cells: Any,
) -> None:
    """Walk along each beam where it is low, one cell at a time in its steeper direction."""
    num_rows, num_columns = cells.shape
    for i in range(len(ray_cells)):
        # the height falls or rises evenly from start (0) to end (1)
        rise_m = end_height_m[i] - start_height_m
        first, last = 0.0, 1.0
        if start_height_m > free_m:
            if end_height_m[i] > free_m:
                continue
            first = (free_m - start_height_m) / rise_m
        elif end_height_m[i] > free_m:
            last = (free_m - start_height_m) / rise_m
        dx, dy = ray_cells[i, 0], ray_cells[i, 1]
        num = int(max(abs(dx), abs(dy)) * (last - first)) + 1
        step = (last - first) / num
        for n in range(num + 1):
            part = last - n * step
            u, v = (
                int(np.floor(start_cells[0] + part * dx)),
                int(np.floor(start_cells[1] + part * dy)),
            )
            if 0 <= u < num_columns and 0 <= v < num_rows:
                cells[v, u] = 0


@compiled
def _mark_occupied(
    xyz_m: Any,
    cluster_of_point: Any,
    least: int,
    cells_from_sensor: Any,
    start_cells: Any,
    cells: Any,
) -> None:
    num_rows, num_columns = cells.shape
    m = cells_from_sensor
    for i in range(len(xyz_m)):
        if cluster_of_point[i] < least:
            continue
        x, y, z = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        u = int(np.floor(m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + start_cells[0]))
        v = int(np.floor(m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + start_cells[1]))
        if 0 <= u < num_columns and 0 <= v < num_rows:
            cells[v, u] = 100
