"""Obstacle points as a cloud that Nav2 and fusion read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.datatypes import Boxes3D, Obstacles
from perception_stack.errors import DecodeError, ShapeError
from perception_stack.io.interfaces import decode, encode
from perception_stack.io.messages import (
    cloud_from_msg,
    obstacle_points_from_msg,
    obstacle_points_to_msg,
)


def obstacles(num: int, num_boxes: int = 3, seed: int = 0) -> Obstacles:
    rng = np.random.default_rng(seed)
    boxes = Boxes3D(
        frame_id="lidar",
        stamp_ns=5,
        center_m=np.zeros((num_boxes, 3)),
        quat_xyzw=np.tile([0.0, 0, 0, 1], (num_boxes, 1)),
        size_lwh_m=np.ones((num_boxes, 3)),
        covariance=np.tile(np.eye(6), (num_boxes, 1, 1)),
        score=np.ones(num_boxes),
        classes=("unknown",),
        class_probs=np.ones((num_boxes, 1)),
        sensors=(("lidar",),) * num_boxes,
    )
    return Obstacles(
        boxes=boxes,
        xyz_m=rng.normal(size=(num, 3)).astype(np.float32),
        box_of_point=rng.integers(-1, num_boxes, num).astype(np.int32),
    )


@given(st.integers(0, 200), st.integers(0, 99))
def test_points_and_boxes_survive_the_wire(num: int, seed: int) -> None:
    given_ = obstacles(num, seed=seed)
    raw, name = encode(obstacle_points_to_msg(given_))
    cloud, box_of_point = obstacle_points_from_msg(decode(raw, name))
    assert (cloud.frame_id, cloud.stamp_ns) == ("lidar", 5)
    np.testing.assert_array_equal(cloud.xyz_m, given_.xyz_m)
    np.testing.assert_array_equal(box_of_point, given_.box_of_point)
    assert box_of_point.dtype == np.int32


def test_other_readers_see_a_plain_cloud() -> None:
    given_ = obstacles(7)
    message = obstacle_points_to_msg(given_)
    assert message.is_dense
    np.testing.assert_array_equal(cloud_from_msg(message).xyz_m, given_.xyz_m)


def test_a_plain_cloud_belongs_to_no_box() -> None:
    message = obstacle_points_to_msg(obstacles(7))
    message.fields = message.fields[:3]
    assert obstacle_points_from_msg(message)[1].tolist() == [-1] * 7


def test_fractions_of_a_box_are_refused() -> None:
    message = obstacle_points_to_msg(obstacles(7))
    message.fields[3].datatype = 7
    with pytest.raises(DecodeError, match="float32"):
        obstacle_points_from_msg(message)


@pytest.mark.parametrize("index", [-2, 3])
def test_points_of_a_box_that_is_not_there_are_refused(index: int) -> None:
    one = obstacles(2)
    with pytest.raises(ShapeError, match="3 boxes"):
        Obstacles(
            boxes=one.boxes, xyz_m=one.xyz_m, box_of_point=np.array([0, index], dtype=np.int32)
        )
