"""Whether a scan is of a LiDAR that a network was made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_stack.datatypes import PointCloud
from perception_stack.io.kitti.scans import read_scan
from perception_stack.pillars.sensor_check import SensorCheck, num_beams
from perception_stack.pillars.spec import Sensor
from perception_stack.simulation.labelled_scans import Scanner, labelled_scans
from perception_stack.simulation.lidar import hdl64_elevations_rad

CAR = Sensor(beams=(64, 64), height_m=(1.5, 2.0), ground_z_m=None)


def scan_of(elevation_rad: np.ndarray, height_m: float) -> PointCloud:
    scanner = Scanner(
        elevation_rad=elevation_rad, num_azimuths=900, height_m=height_m, tilt_rad=np.zeros(2)
    )
    return next(labelled_scans(3, num=1, scanner=scanner)).cloud


def plane(height_m: float) -> np.ndarray:
    return np.array([0.0, 0.0, -height_m])


@pytest.mark.parametrize("num", [16, 32, 64])
def test_beams_are_counted_by_elevation(num: int) -> None:
    elevations = np.deg2rad(np.linspace(10, -20, num))
    assert num_beams(scan_of(elevations, 1.7)) == pytest.approx(num, rel=0.2)


def test_beams_of_a_real_scanner_whose_lasers_do_not_meet_in_a_point(data_dir: Path) -> None:
    for path in sorted((data_dir / "kitti_object/training/velodyne").glob("*.bin"))[:4]:
        cloud = read_scan(path, stamp_ns=0)
        assert num_beams(cloud) == pytest.approx(64, rel=0.25)
        assert SensorCheck(CAR).misfit(cloud, plane(1.7)) is None


def test_rings_are_counted_where_the_sensor_numbers_them() -> None:
    xyz_m = np.ones((100, 3), np.float32)
    ring = (np.arange(100) % 16).astype(np.uint16)
    assert num_beams(PointCloud(frame_id="", stamp_ns=0, xyz_m=xyz_m, ring=ring)) == 16


def test_other_sensor_is_named_with_its_numbers() -> None:
    cloud = scan_of(np.deg2rad(np.linspace(15, -15, 16)), 0.4)
    text = SensorCheck(CAR).misfit(cloud, plane(0.4))
    assert text is not None
    assert text.startswith("this model expects 64 beams at 1.5 to 2.0 m, you have 1")
    assert text.endswith("at 0.4 m")


def test_one_odd_scan_does_not_switch_the_network_off() -> None:
    check, cloud = SensorCheck(CAR), scan_of(hdl64_elevations_rad(), 1.7)
    for _ in range(5):
        assert check.misfit(cloud, plane(1.7)) is None
    assert check.misfit(cloud, plane(4.0)) is None
    for _ in range(6):
        text = check.misfit(cloud, plane(4.0))
    assert text is not None
    assert "at 4.0 m" in text


@pytest.mark.parametrize(
    "xyz_m",
    [
        pytest.param(np.empty((0, 3)), id="empty"),
        pytest.param(np.full((5, 3), np.nan), id="nan"),
        pytest.param(np.zeros((5, 3)), id="at the sensor"),
    ],
)
def test_scan_without_points_has_no_beams(xyz_m: np.ndarray) -> None:
    cloud = PointCloud(frame_id="", stamp_ns=0, xyz_m=xyz_m.astype(np.float32))
    assert num_beams(cloud) == 0
