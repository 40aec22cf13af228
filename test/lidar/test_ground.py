from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.lidar.columns import Columns, build_columns
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.ground import ground_height
from perception_stack.lidar.ground_plane import ground_plane

CONFIG = LidarDetectorConfig()


def height_of(columns: Columns) -> np.ndarray:
    return ground_height(columns, ground_plane(columns.xy_m, columns.lowest_m), CONFIG)


def ground_error_m(cloud, truth_of) -> np.ndarray:
    columns = build_columns(cloud.xyz_m, CONFIG)
    return height_of(columns) - truth_of(columns.xy_m)


@pytest.mark.parametrize("height_m", [0.4, 1.0, 1.73, 3.0])
def test_mounting_height_is_found(scan, height_m: float) -> None:
    cloud = scan((8, 3, 4, 1.8, 1.5, 20), height_m=height_m, noise_m=0.02)
    error_m = ground_error_m(cloud, lambda _: -height_m)
    assert np.abs(error_m).max() < 0.12


@pytest.mark.parametrize("slope", [(0.1, 0.0), (0.0, -0.15), (0.3, 0.15), (-0.36, 0.0)])
@pytest.mark.parametrize("num_beams", [16, 64, 128])
def test_tilted_ground_is_followed(scan, slope: tuple[float, float], num_beams: int) -> None:
    cloud = scan((8, 3, 4, 1.8, 1.5, 20), slope=slope, num_beams=num_beams, noise_m=0.02)
    error_m = ground_error_m(cloud, lambda xy_m: xy_m @ slope - 1.55)
    assert np.percentile(np.abs(error_m), 98) < 0.15


def on_ramp(ramp: tuple[float, float]):
    return lambda xy_m: ramp[1] * np.maximum(xy_m[:, 0] - ramp[0], 0) - 1.55


@pytest.mark.parametrize(
    ("ramp", "num_beams"),
    [((15.0, 0.1), num) for num in (32, 64, 128)]
    + [((12.0, 0.15), num) for num in (32, 64, 128)]
    + [((20.0, 0.2), num) for num in (32, 64, 128)]
    + [((10.0, -0.1), num) for num in (32, 64, 128)],
)
def test_ramp_is_followed(scan, ramp: tuple[float, float], num_beams: int) -> None:
    cloud = scan((8, 3, 4, 1.8, 1.5, 20), ramp=ramp, num_beams=num_beams, noise_m=0.02)
    error_m = ground_error_m(cloud, on_ramp(ramp))
    assert np.percentile(np.abs(error_m), 98) < 0.25


@pytest.mark.parametrize("num_beams", [64, 128])
def test_ramp_goes_on_behind_a_car(scan, num_beams: int) -> None:
    """Hidden for 20 m, over which it rises by 2 m: it must not become an obstacle."""
    ramp = (15.0, 0.1)
    cloud = scan((16, 3, 4.2, 1.8, 1.5, 0), ramp=ramp, num_beams=num_beams, noise_m=0.02)
    columns = build_columns(cloud.xyz_m, CONFIG)
    x, y = columns.xy_m.T
    behind = (x > 30) & (x < 60) & (np.abs(y / x - 0.2) < 0.03)
    assert np.count_nonzero(behind) > 20
    error_m = height_of(columns) - on_ramp(ramp)(columns.xy_m)
    assert np.abs(error_m[behind]).max() < 0.2


@pytest.mark.parametrize(("num_beams", "cars_x_m"), [(64, 12.0), (64, 16.0), (128, 16.0)])
def test_ramp_is_ground_behind_slots_between_cars(scan, num_beams: int, cars_x_m: float) -> None:
    """The directions beside a slot end at a car and know nothing of the ramp behind it."""
    ramp = (20.0, 0.15)
    cars = [(cars_x_m, 1 + 4.9 * i, 1.8, 4.2, 1.6, 0) for i in range(-4, 5)]
    cloud = scan(*cars, ramp=ramp, num_beams=num_beams, noise_m=0.02)
    columns = build_columns(cloud.xyz_m, CONFIG)
    above_m = columns.lowest_m - on_ramp(ramp)(columns.xy_m)
    x, y = columns.xy_m.T
    bare = (x > ramp[0] + 2) & (np.abs(y) < 25) & (np.abs(above_m) < 0.15)
    assert np.count_nonzero(bare) > 1000
    called_m = columns.lowest_m - height_of(columns)
    assert np.mean(called_m[bare] > CONFIG.ground_clearance_m) < 0.015


def test_what_stands_below_the_brink_of_a_descent_is_seen(scan) -> None:
    """Its ground is hidden by the brink, and no ground is above what is seen."""
    ramp = (10.0, -0.2)
    cloud = scan((24, -3, 0.5, 0.5, 1.75, 0), (18, 4, 4.2, 1.8, 1.5, 0), ramp=ramp, noise_m=0.02)
    ground_m = height_of(build_columns(cloud.xyz_m, CONFIG))
    assert ground_m.max() < -1.3
    columns = build_columns(cloud.xyz_m, CONFIG)
    x, y = columns.xy_m.T
    person = (np.abs(x - 24) < 0.6) & (np.abs(y + 3) < 0.6)
    assert person.any()
    assert ground_m[person].max() < -2.8  # it was at -1.55, above the person's head


def test_upper_part_of_a_wall_behind_a_car_is_no_ground(scan) -> None:
    columns = build_columns(
        scan((10, 0, 4.2, 1.8, 1.5, 90), (26, 0, 0.4, 30, 4, 0), noise_m=0.02).xyz_m, CONFIG
    )
    x, y = columns.xy_m.T
    wall = (np.abs(x - 25.8) < 0.3) & (np.abs(y) < 14)
    assert np.count_nonzero(wall) > 40
    assert height_of(columns)[wall].max() < -1.2


def test_hill_and_dip_are_followed() -> None:
    """One plane, as the peers fit, would be off by up to 1 m."""
    x, y = np.meshgrid(np.arange(-40, 40, 0.25), np.arange(-40, 40, 0.25))
    noise = np.random.default_rng(0).normal(0, 0.02, x.shape)
    xyz_m = np.stack([x, y, np.sin(x / 10) - 1.7 + noise], axis=-1).reshape(-1, 3)
    columns = build_columns(xyz_m.astype(np.float32), CONFIG)
    truth_m = np.sin(columns.xy_m[:, 0] / 10) - 1.7
    error_m = height_of(columns) - truth_m
    assert np.percentile(np.abs(error_m), 95) < 0.15


def test_reflections_below_the_ground_do_not_pull_it_down(scan) -> None:
    cloud = scan(noise_m=0.02)
    below = cloud.xyz_m.copy()
    random = np.random.default_rng(0)
    stray = random.random(len(below)) < 0.002
    below[stray, 2] -= random.uniform(0.5, 5, np.count_nonzero(stray)).astype(np.float32)
    columns = build_columns(below, CONFIG)
    error_m = height_of(columns) + 1.55
    assert np.abs(error_m).max() < 0.2


@pytest.mark.parametrize("away_m", [3.0, 3.5, 4.0])
def test_bonnet_beside_a_high_sensor_is_no_ground(scan, away_m: float) -> None:
    """The lowest beam meets it before any ground, and it is flat."""
    cloud = scan((0, away_m, 4.2, 1.8, 0.75, 0), height_m=2.0, num_beams=128, noise_m=0.01)
    columns = build_columns(cloud.xyz_m, CONFIG)
    x, y = columns.xy_m.T
    bonnet = (np.abs(x) < 2) & (np.abs(y - away_m) < 0.9) & (columns.lowest_m > -1.5)
    assert np.count_nonzero(bonnet) > 50
    assert height_of(columns)[bonnet].max() < -1.8


@pytest.mark.parametrize("away_m", [2.5, 3.0, 3.5])
def test_bonnet_between_a_high_sensor_and_a_wall_is_no_ground(scan, away_m: float) -> None:
    """No ground shows before it, nor behind it: but on both sides."""
    blocks = (0, away_m, 4.2, 1.8, 0.75, 0), (0, away_m + 1.5, 30, 0.4, 3, 0)
    cloud = scan(*blocks, height_m=2.0, num_beams=128, noise_m=0.01)
    columns = build_columns(cloud.xyz_m, CONFIG)
    x, y = columns.xy_m.T
    bonnet = (np.abs(x) < 2) & (np.abs(y - away_m) < 0.9) & (columns.lowest_m > -1.5)
    assert np.count_nonzero(bonnet) > 50
    assert height_of(columns)[bonnet].max() < -1.8


def test_kerb_is_ground_and_a_wall_is_not(scan) -> None:
    columns = build_columns(
        scan((10, 20, 60, 20, 0.12, 0), (-10, -6, 20, 1, 1.2, 0), noise_m=0.01).xyz_m, CONFIG
    )
    ground_m = height_of(columns)
    x, y = columns.xy_m.T
    pavement = (y > 10.5) & (y < 14) & (np.abs(x - 10) < 25)
    assert np.median(ground_m[pavement]) == pytest.approx(-1.43, abs=0.06)
    wall = (np.abs(y + 6) < 0.6) & (np.abs(x + 10) < 9)
    assert ground_m[wall].max() < -1.3


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num=st.integers(1, 50))
def test_any_points_give_a_finite_plane(seed: int, num: int) -> None:
    random = np.random.default_rng(seed)
    xy_m = random.integers(-3, 4, (num, 2)) * 0.2
    plane = ground_plane(xy_m, random.normal(0, 5, num))
    assert np.isfinite(plane).all()
