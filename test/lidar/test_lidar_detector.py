from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import Boxes3D, PointCloud
from perception_stack.geometry.boxes import points_inside
from perception_stack.geometry.transforms import yaw_from_quat
from perception_stack.journal import Journal, Reason
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector

CAR = (4.3, 1.8, 1.6)
PEDESTRIAN = (0.6, 0.6, 1.75)


def cloud_of(xyz_m) -> PointCloud:
    xyz_m = np.asarray(xyz_m, dtype=np.float32).reshape(-1, 3)
    return PointCloud(frame_id="lidar", stamp_ns=7, xyz_m=xyz_m)


def detect(cloud: PointCloud, journal: Journal | None = None, **params) -> Boxes3D:
    return LidarDetector(LidarDetectorConfig(**params), journal or Journal()).detect(cloud).boxes


def assert_sound(boxes: Boxes3D) -> None:
    values = [boxes.center_m, boxes.quat_xyzw, boxes.size_lwh_m, boxes.covariance, boxes.score]
    assert all(np.isfinite(value).all() for value in values)
    assert (boxes.size_lwh_m > 0).all()
    assert (boxes.size_lwh_m < 25).all()
    assert (np.linalg.eigvalsh(boxes.covariance) > 0).all()
    assert ((boxes.score > 0) & (boxes.score <= 1)).all()
    np.testing.assert_allclose(boxes.class_probs.sum(axis=1), 1, atol=1e-9)


def yaw_error_deg(boxes: Boxes3D, yaw_deg: float) -> float:
    """Difference of directions that are equal up to a half turn."""
    error = np.rad2deg(yaw_from_quat(boxes.quat_xyzw[0])) - yaw_deg
    return abs((error + 90) % 180 - 90)


@pytest.mark.parametrize(
    ("xyz_m", "reason"),
    [
        pytest.param(np.empty((0, 3)), Reason.EMPTY_CLOUD, id="empty"),
        pytest.param(np.full((50, 3), np.nan), Reason.NO_VALID_POINTS, id="all_nan"),
        pytest.param(np.full((50, 3), np.inf), Reason.NO_VALID_POINTS, id="all_infinite"),
        pytest.param(np.full((50, 3), 1e30), Reason.NO_VALID_POINTS, id="huge"),
        pytest.param(np.full((50, 3), -3e38), Reason.NO_VALID_POINTS, id="largest_float"),
        pytest.param(np.zeros((50, 3)), Reason.NO_VALID_POINTS, id="inside_the_robot"),
    ],
)
def test_cloud_with_nothing_in_it_has_a_reason(xyz_m, reason: Reason) -> None:
    journal = Journal()
    boxes = detect(cloud_of(xyz_m), journal)
    assert len(boxes) == 0
    assert (boxes.frame_id, boxes.stamp_ns) == ("lidar", 7)
    assert journal.counts[reason] == 1


@pytest.mark.parametrize(
    "xyz_m",
    [
        pytest.param([[5, 0, 0]], id="one_point"),
        pytest.param([[5, 0, 0]] * 100, id="one_place"),
        pytest.param([[5, 0, 0], [6, 1, 3]], id="two_points"),
        pytest.param([[5 + i, 0, 1] for i in range(9)], id="a_line"),
    ],
)
def test_too_little_to_tell_an_object_from_ground(xyz_m) -> None:
    assert len(detect(cloud_of(xyz_m))) == 0


def test_bare_ground_holds_nothing(scan) -> None:
    journal = Journal()
    assert len(detect(scan(noise_m=0.03), journal)) == 0
    assert journal.counts == {}


def test_car_is_found_where_it_is(scan) -> None:
    boxes = detect(scan((12, 5, *CAR, 60), noise_m=0.02))
    assert_sound(boxes)
    assert len(boxes) == 1
    assert boxes.labels == ("car",)
    assert boxes.sensors == (("lidar",),)
    np.testing.assert_allclose(boxes.center_m[0], [12, 5, -0.75], atol=0.2)
    np.testing.assert_allclose(boxes.size_lwh_m[0], CAR, atol=0.25)
    assert yaw_error_deg(boxes, 60) < 3


@pytest.mark.parametrize("bearing_deg", range(0, 360, 45))
def test_yaw_is_that_of_the_object_and_not_its_bearing(scan, bearing_deg: int) -> None:
    """A peer gives every box the direction in which it is seen."""
    x, y = 12 * np.cos(np.deg2rad(bearing_deg)), 12 * np.sin(np.deg2rad(bearing_deg))
    boxes = detect(scan((x, y, *CAR, 20)))
    assert len(boxes) == 1
    assert yaw_error_deg(boxes, 20) < 4


def test_yaw_is_said_to_be_known_up_to_a_half_turn_only(scan) -> None:
    boxes = detect(scan((12, 5, *CAR, 60)))
    assert boxes.covariance[0, 5, 5] > (np.pi / 2) ** 2


def test_rear_view_is_completed_away_from_the_sensor(scan) -> None:
    """Of a car straight ahead only the rear shows."""
    boxes = detect(scan((15, 0, *CAR, 0), num_beams=32))
    assert boxes.center_m[0, 0] - boxes.size_lwh_m[0, :2].max() / 2 == pytest.approx(
        12.85, abs=0.6
    )
    miss = abs(boxes.center_m[0, 0] - 15)
    assert miss < 2 * np.sqrt(boxes.covariance[0, 0, 0])
    # across, where it is seen, the place is known better than along
    assert boxes.covariance[0, 1, 1] < boxes.covariance[0, 0, 0]


def test_people_side_by_side_are_two(scan) -> None:
    boxes = detect(scan((10, 0, *PEDESTRIAN, 0), (10, 0.9, *PEDESTRIAN, 0)))
    assert boxes.labels == ("pedestrian", "pedestrian")


def test_not_finite_points_are_left_out_and_counted(scan) -> None:
    cloud = scan((12, 5, *CAR, 60))
    bad = np.repeat(cloud.xyz_m, 2, axis=0)
    bad[::2] = [np.nan, 1, np.inf]
    journal = Journal()
    boxes, clean = detect(replace(cloud, xyz_m=bad), journal), detect(cloud)
    assert journal.counts == {Reason.NON_FINITE_POINTS: len(cloud)}
    np.testing.assert_array_equal(boxes.center_m, clean.center_m)
    np.testing.assert_array_equal(boxes.covariance, clean.covariance)


def test_points_out_of_the_crop_region_are_left_out_and_counted(scan) -> None:
    cloud = scan((12, 5, *CAR, 60))
    out = np.array([[0.5, 0.5, 0], [90, 0, 0], [5, 0, 9], [5, 0, -9], [np.nan, 0, 0]], np.float32)
    journal = Journal()
    boxes = detect(replace(cloud, xyz_m=np.concatenate([cloud.xyz_m, out])), journal)
    assert journal.counts == {Reason.CROPPED_POINTS: 4, Reason.NON_FINITE_POINTS: 1}
    assert "1.5 to 80.0 m away" in journal.last(Reason.CROPPED_POINTS).detail
    np.testing.assert_array_equal(boxes.center_m, detect(cloud).center_m)


def test_any_memory_layout_gives_the_same(scan) -> None:
    cloud = scan((12, 5, *CAR, 60))
    strided = np.zeros((len(cloud), 6), dtype=np.float32)
    strided[:, 1:4] = cloud.xyz_m
    strided.flags.writeable = False
    expected = detect(cloud)
    for xyz_m in (strided[:, 1:4], np.asfortranarray(cloud.xyz_m)):
        np.testing.assert_array_equal(
            detect(replace(cloud, xyz_m=xyz_m)).center_m, expected.center_m
        )


def test_small_and_large_clusters_are_counted(scan) -> None:
    journal = Journal()
    wall = (20, 0, 1, 40, 3, 0)
    stone = [[10, 10 + 0.01 * i, -1.2] for i in range(4)]
    cloud = scan(wall)
    cloud = replace(cloud, xyz_m=np.concatenate([cloud.xyz_m, np.array(stone, np.float32)]))
    assert len(detect(cloud, journal)) == 0
    assert journal.counts == {Reason.CLUSTER_TOO_SMALL: 1, Reason.CLUSTER_TOO_LARGE: 1}
    assert "limit 16.0 m" in journal.last(Reason.CLUSTER_TOO_LARGE).detail


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num=st.integers(0, 400),
    spread_m=st.sampled_from([0.01, 1.0, 30.0, 1e4]),
)
def test_no_cloud_gives_an_infinite_box(seed: int, num: int, spread_m: float) -> None:
    """A peer's empty clusters have infinite extents."""
    random = np.random.default_rng(seed)
    xyz_m = random.normal(0, spread_m, (num, 3)) + random.normal(0, 10, 3)
    xyz_m[random.random(num) < 0.1] = random.choice([np.nan, np.inf, -np.inf, 1e38])
    assert_sound(detect(cloud_of(xyz_m)))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_order_of_points_does_not_matter(scan, seed: int) -> None:
    cloud = scan((12, 5, *CAR, 60), (10, -3, *PEDESTRIAN, 0), (25, 1, *CAR, 80), noise_m=0.02)
    shuffled = np.random.default_rng(seed).permutation(cloud.xyz_m)
    boxes, other = detect(cloud), detect(replace(cloud, xyz_m=shuffled))
    order, other_order = np.argsort(boxes.center_m[:, 0]), np.argsort(other.center_m[:, 0])
    # which points vote for the direction of a large cluster depends on the order
    np.testing.assert_allclose(
        boxes.center_m[order], other.center_m[other_order], atol=0.1, rtol=0
    )


def test_same_cloud_gives_the_same_boxes_to_the_bit(scan) -> None:
    cloud = scan((12, 5, *CAR, 60), (25, 1, *CAR, 80), noise_m=0.02)
    detector = LidarDetector(LidarDetectorConfig(), Journal())
    detector.warm_up()
    first, again = detector.detect(cloud).boxes, detector.detect(cloud).boxes
    for name in ("center_m", "quat_xyzw", "size_lwh_m", "covariance", "score", "class_probs"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_obstacle_points_are_those_above_the_ground(scan) -> None:
    cloud = scan((12, 5, *CAR, 60), (25, 1, *PEDESTRIAN, 0))
    obstacles = LidarDetector(LidarDetectorConfig(), Journal()).detect(cloud)
    assert len(obstacles.boxes) == 2
    above = cloud.xyz_m[:, 2] > -1.55 + 0.2
    assert 0.98 < len(obstacles.xyz_m) / np.count_nonzero(above) < 1.02
    for row in range(2):
        points_m = obstacles.xyz_m[obstacles.box_of_point == row].astype(np.float64)
        assert len(points_m) > 20
        assert points_inside(points_m, obstacles.boxes.rows(np.array([row])), margin_m=0.05).all()


def test_points_of_a_building_are_obstacles_without_a_box(scan) -> None:
    obstacles = LidarDetector(LidarDetectorConfig(), Journal()).detect(scan((20, 0, 1, 30, 3, 0)))
    assert len(obstacles.boxes) == 0
    assert len(obstacles.xyz_m) > 500
    assert (obstacles.box_of_point == -1).all()


def test_ten_copies_of_a_cloud_hold_the_same_things(scan) -> None:
    cloud = scan((12, 5, *CAR, 60), (8, -4, *PEDESTRIAN, 0), noise_m=0.02)
    once, ten = detect(cloud), detect(replace(cloud, xyz_m=np.tile(cloud.xyz_m, (10, 1))))
    assert ten.labels == once.labels
    np.testing.assert_allclose(ten.center_m, once.center_m, atol=0.05)


def test_single_ring_is_no_error(scan) -> None:
    assert_sound(detect(scan((12, 5, *CAR, 60), num_beams=1)))
