"""Points on the robot, against the same question asked point by point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import PointCloud
from perception_stack.errors import ConfigError
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.self_filter import outside_robot


def cloud_of(xyz_m: np.ndarray) -> PointCloud:
    num = len(xyz_m)
    return PointCloud(
        frame_id="lidar",
        stamp_ns=5,
        xyz_m=xyz_m.astype(np.float32),
        intensity=np.arange(num, dtype=np.float32),
        ring=np.arange(num, dtype=np.uint16),
        time_offset_s=np.arange(num, dtype=np.float32) / 1000,
    )


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), num_boxes=st.integers(1, 3))
def test_exactly_the_points_in_a_box_go(seed: int, num_boxes: int) -> None:
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.uniform(-3, 3, (num_boxes, 2, 3)), axis=1)
    pose = RigidTransform(
        target="base_link",
        source="lidar",
        rotation=matrix_from_quat(rng.normal(size=4)),
        translation_m=rng.normal(size=3),
    )
    cloud = cloud_of(rng.uniform(-4, 4, (200, 3)))
    rest = outside_robot(cloud, corners.reshape(-1, 6), robot_from_sensor=pose)
    robot = pose.apply(cloud.xyz_m.astype(np.float64))[:, None]
    inside = ((robot >= corners[:, 0]) & (robot <= corners[:, 1])).all(axis=2).any(axis=1)
    assert rest.ring is not None
    np.testing.assert_array_equal(rest.ring, np.flatnonzero(~inside))
    np.testing.assert_array_equal(rest.xyz_m, cloud.xyz_m[~inside])
    np.testing.assert_array_equal(rest.intensity, rest.ring)
    np.testing.assert_array_equal(rest.time_offset_s, np.float32(rest.ring) / np.float32(1000))


def test_where_no_point_is_on_the_robot_nothing_is_copied_and_nan_is_kept() -> None:
    pose = RigidTransform(
        target="base_link", source="lidar", rotation=np.eye(3), translation_m=np.zeros(3)
    )
    cloud = cloud_of(np.array([[5.0, 0, 0], [np.nan, 0, 0]]))
    box_m = np.array([[-1.0, -1, -1, 1, 1, 1]])
    assert outside_robot(cloud, box_m, robot_from_sensor=pose) is cloud


@pytest.mark.parametrize(
    "box_m", [(1.0, 2.0), (1.0, 0, 0, -1, 1, 1)], ids=["not six", "upside down"]
)
def test_boxes_that_are_none(box_m: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="six numbers per box"):
        LidarDetectorConfig(robot_box_m=box_m)
