"""The occupancy grid of scenes whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from perception_stack.datatypes import FloatArray, PointCloud
from perception_stack.errors import ConfigError
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat, quat_from_yaw
from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.lidar.occupancy import (
    FREE,
    OCCUPIED,
    UNKNOWN,
    OccupancyGrid,
    occupancy_grid,
)

Scan = Callable[..., PointCloud]
CONFIG = LidarDetectorConfig(grid_range_m=30.0)


def level(
    *,
    yaw_rad: float = 0.0,
    at_m: tuple[float, float, float] = (0, 0, 0),
    quat_xyzw: FloatArray | None = None,
) -> RigidTransform:
    quat = quat_from_yaw(yaw_rad) if quat_xyzw is None else quat_xyzw
    return RigidTransform(
        target="odom",
        source="lidar",
        rotation=matrix_from_quat(quat),
        translation_m=np.array(at_m, dtype=np.float64),
    )


def grid_of(
    cloud: PointCloud, pose: RigidTransform, config: LidarDetectorConfig = CONFIG
) -> OccupancyGrid:
    segmentation = LidarDetector(config, Journal()).segment(cloud)
    assert segmentation is not None
    return occupancy_grid(
        segmentation.columns,
        segmentation.ground_m,
        segmentation.clusters.of_point,
        config,
        level_from_sensor=pose,
        stamp_ns=cloud.stamp_ns,
    )


def at(grid: OccupancyGrid, xy_m: FloatArray) -> np.ndarray:
    """Values at points of the level frame, [N]."""
    cell = np.floor((xy_m - grid.origin_xy_m) / grid.cell_m).astype(int)
    return grid.cells[cell[:, 1], cell[:, 0]]


def patch(x0: float, x1: float, y0: float, y1: float) -> FloatArray:
    x, y = np.meshgrid(np.arange(x0, x1, 0.1), np.arange(y0, y1, 0.1))
    return np.column_stack([x.ravel(), y.ravel()])


# a wall 12 m ahead, 8 m wide, 3 m high; its shadow spreads from there to the edge of the grid
WALL = (12.0, 0.0, 0.4, 8.0, 3.0, 0.0)


@pytest.mark.parametrize("yaw_rad", [0.0, 0.7, -2.5])
@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.08, 0.0)], ids=["flat", "slope"])
def test_before_a_wall_is_free_behind_it_unknown(
    scan: Scan, slope: tuple[float, float], yaw_rad: float
) -> None:
    # the sensor leans with the slope it stands on, seen from the level frame
    pose = level(yaw_rad=yaw_rad, at_m=(101.3, -57.2, 1.5))
    grid = grid_of(scan(WALL, slope=slope), pose)

    def seen(xy_m: FloatArray) -> np.ndarray:
        sensor_m = np.column_stack([xy_m, np.zeros(len(xy_m))])
        return at(grid, pose.apply(sensor_m)[:, :2])

    assert (seen(patch(5, 11, -2, 2)) == FREE).mean() > 0.99
    # the face lies between cells and only touches some of them
    face = np.column_stack([np.full(61, 11.8), np.linspace(-3, 3, 61)])
    near = [(dx, dy) for dx in (-0.1, 0, 0.1) for dy in (-0.1, 0, 0.1)]
    around = np.stack([seen(face + shift) for shift in near])
    assert (around == OCCUPIED).any(axis=0).all()
    assert (seen(patch(12.5, 20, -3, 3)) == UNKNOWN).all()
    assert (seen(patch(-20, -6, -6, 6)) == FREE).mean() > 0.95
    assert not (seen(patch(-20, -6, -6, 6)) == OCCUPIED).any()


def test_nothing_is_said_where_no_beam_was(scan: Scan) -> None:
    cloud = scan(WALL)
    ahead = np.abs(np.arctan2(cloud.xyz_m[:, 1], cloud.xyz_m[:, 0])) < np.pi / 4
    grid = grid_of(cloud.rows(ahead), level())
    assert (at(grid, patch(-29, 0, -29, 29)) == UNKNOWN).all()
    assert (at(grid, patch(5, 11, -2, 2)) == FREE).mean() > 0.99


def test_beams_over_a_low_thing_do_not_clear_its_shadow(scan: Scan) -> None:
    # 1 m high, 8 m away, a sensor at 1.55 m: the ground is hidden until 8.2 * 1.55 / 0.55 = 23 m,
    # and until 23 - 0.5 * 23 / 1.55 = 15.7 m whatever stands there could be taller than 0.5 m
    grid = grid_of(scan((8.0, 0.0, 0.4, 3.0, 1.0, 0.0)), level())
    assert (at(grid, patch(8.5, 15, -1, 1)) == UNKNOWN).all()
    assert (at(grid, patch(17, 29, -1, 1)) == FREE).mean() > 0.9


def test_a_low_sensor_clears_the_way_to_what_it_hits(scan: Scan) -> None:
    config = LidarDetectorConfig(grid_range_m=30.0, min_range_m=0.3)
    grid = grid_of(scan(WALL, height_m=0.3, num_beams=32), level(), config)
    assert (at(grid, patch(0.3, 11.3, -1, 1)) == FREE).mean() > 0.95
    assert (at(grid, patch(12.5, 20, -3, 3)) == UNKNOWN).all()


def test_a_leaning_sensor_draws_the_same_map(scan: Scan) -> None:
    lean_rad = 0.15
    quat = np.array([0, np.sin(lean_rad / 2), 0, np.cos(lean_rad / 2)])
    upright = scan(WALL)
    pose = level(quat_xyzw=quat)
    leaning = PointCloud(frame_id="lidar", stamp_ns=7, xyz_m=pose.inverse().apply(upright.xyz_m))
    straight, leant = grid_of(upright, level()), grid_of(leaning, pose)
    known = (straight.cells != UNKNOWN) & (leant.cells != UNKNOWN)
    assert known.sum() > 0.9 * (straight.cells != UNKNOWN).sum()
    assert ((straight.cells == leant.cells) | ~known).mean() > 0.995


def test_cells_lie_on_one_lattice_wherever_the_sensor_is(scan: Scan) -> None:
    cloud = scan(WALL)
    first = grid_of(cloud, level())
    assert (first.frame_id, first.stamp_ns) == ("odom", 7)
    assert first.cells.shape == (300, 300)
    np.testing.assert_allclose(first.origin_xy_m, [-30, -30])
    moved = grid_of(cloud, level(at_m=(0.4, 0.2, 0)))
    np.testing.assert_allclose(moved.origin_xy_m, [-29.6, -29.8])
    np.testing.assert_array_equal(first.cells, moved.cells)


def test_one_column_alone() -> None:
    cloud = PointCloud(
        frame_id="lidar", stamp_ns=7, xyz_m=np.array([[10.0, 0, -1.5]], dtype=np.float32)
    )
    grid = grid_of(cloud, level())
    assert at(grid, np.array([[10.0, 0.1], [8.0, 0.1], [3.0, 0.1], [11.0, 0.1]])).tolist() == [
        FREE, FREE, UNKNOWN, UNKNOWN,
    ]  # fmt: skip


def test_a_grid_of_too_many_cells() -> None:
    with pytest.raises(ConfigError, match="cells, at most"):
        LidarDetectorConfig(grid_cell_m=0.02, grid_range_m=100.0)
