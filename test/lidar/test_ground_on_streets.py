"""Ground below traffic on ramps, bridges and dips, seen with few beams and many."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.simulation.course import Course, Relief, rolling, slopes
from perception_stack.simulation.road import ROAD_CLASSES
from perception_stack.simulation.terrain import TerrainScan, scan_street

CONFIG = LidarDetectorConfig()
RAMP = slopes((15, 0.1))
STEEP_RAMP = slopes((18, 0.15))
BRIDGE = slopes((12, 0.12), (42, 0.0), (62, -0.12))
DIP = slopes((8, -0.1), (30, 0.1))


def street(relief: Relief, num_beams: int, height_m: float = 1.8) -> TerrainScan:
    return scan_street(
        Course(radius_m=220.0, relief=relief),
        np.deg2rad(np.linspace(8, -24, num_beams)),
        seed=20,
        height_m=height_m,
        classes=ROAD_CLASSES,
        num_azimuths=900,
    )


@pytest.mark.parametrize(
    ("relief", "num_beams", "height_m"),
    [
        pytest.param(rolling, 32, 1.8, id="level"),
        pytest.param(RAMP, 16, 1.8, id="ramp_16_beams"),
        pytest.param(RAMP, 32, 1.8, id="ramp_32_beams"),
        pytest.param(RAMP, 32, 0.5, id="ramp_low_robot"),
        pytest.param(STEEP_RAMP, 32, 1.8, id="steep_ramp"),
        pytest.param(BRIDGE, 32, 1.8, id="bridge"),
        pytest.param(DIP, 32, 1.8, id="dip"),
    ],
)
def test_ground_is_ground_and_traffic_is_not(
    relief: Relief, num_beams: int, height_m: float
) -> None:
    scan = street(relief, num_beams, height_m)
    segmentation = LidarDetector(CONFIG, Journal()).segment(scan.cloud)
    assert segmentation is not None
    column, of_point = segmentation.columns.of_point, segmentation.clusters.of_point
    above_m = scan.cloud.xyz_m[:, 2] - segmentation.ground_m[column]
    called = above_m < CONFIG.ground_clearance_m
    bare = (scan.object_of_point < 0) & (np.abs(scan.above_ground_m) < 0.1) & (column >= 0)
    assert np.mean(called[bare]) > 0.995
    body = (scan.object_of_point >= 0) & (scan.above_ground_m > 0.5) & (column >= 0)
    assert np.mean(called[body]) < 0.01
    num = segmentation.clusters.num
    size = np.bincount(of_point[of_point >= 0], minlength=num)
    of_bare = np.bincount(of_point[bare & (of_point >= 0)], minlength=num)
    assert np.count_nonzero(of_bare > size / 2) <= 3
