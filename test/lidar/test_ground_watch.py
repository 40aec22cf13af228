from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from perception_stack.datatypes import PointCloud
from perception_stack.journal import Journal, Reason
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.lidar.ground_watch import GroundWatch

CONFIG = LidarDetectorConfig()
LONG = CONFIG.shift_scans


def shifts(*heights_and_slopes: tuple[int, float, float]) -> list[int]:
    """Scans at which a shift is told; each part is how many scans, the height and the slope."""
    random = np.random.default_rng(0)
    watch, stamp = GroundWatch(CONFIG), count()
    told = []
    for num, height_m, slope in heights_and_slopes:
        for _ in range(num):
            now = next(stamp)
            plane = np.array([slope, 0.0, -height_m]) + random.normal(0, [0.005, 0.005, 0.02])
            if watch.watch(plane, stamp_ns=now) is not None:
                told.append(now)
    return told


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        pytest.param([(200, 1.7, 0.0)], [], id="steady"),
        pytest.param([(30, 1.7, 0.0), (50, 1.3, 0.0)], [29 + LONG], id="sagged"),
        pytest.param([(30, 1.7, 0.0), (50, 1.7, 0.12)], [29 + LONG], id="tilted"),
        pytest.param([(30, 1.7, 0.0), (LONG - 1, 1.7, 0.12), (30, 1.7, 0.0)], [], id="a_hill"),
        pytest.param([(3, 1.7, 0.0), (50, 1.2, 0.0)], [], id="too_early_to_tell"),
        pytest.param([(10, 1.7, s) for s in np.linspace(0, 0.2, 41)], [], id="slowly"),
    ],
)
def test_a_lasting_change_is_told_once(parts, told: list[int]) -> None:
    assert shifts(*parts) == told


def test_stamps_that_jump_back_begin_anew() -> None:
    watch = GroundWatch(CONFIG)
    for stamp_ns in range(30):
        watch.watch(np.array([0.0, 0.0, -1.7]), stamp_ns=stamp_ns)
    for stamp_ns in range(30):
        assert watch.watch(np.array([0.0, 0.0, -1.0]), stamp_ns=stamp_ns) is None


def test_bumped_sensor_is_counted_and_changes_no_result(scan) -> None:
    journal = Journal()
    detector = LidarDetector(LidarDetectorConfig(shift_scans=3), journal)
    steady, bumped = (
        scan((8, 3, 4, 1.8, 1.5, 20), slope=slope, num_beams=16).xyz_m
        for slope in ((0.0, 0.0), (0.1, 0.0))
    )
    clouds = [steady] * 12 + [bumped] * 5
    found = [
        detector.detect(PointCloud(frame_id="lidar", stamp_ns=i, xyz_m=xyz_m)).boxes
        for i, xyz_m in enumerate(clouds)
    ]
    assert journal.counts[Reason.GROUND_SHIFTED] == 1
    assert journal.last(Reason.GROUND_SHIFTED).stamp_ns == 14
    alone = LidarDetector(CONFIG, Journal()).detect(
        PointCloud(frame_id="lidar", stamp_ns=0, xyz_m=bumped)
    )
    np.testing.assert_array_equal(found[-1].center_m, alone.boxes.center_m)
