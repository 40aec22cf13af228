from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_stack.datatypes import TrackedObjects, TrackState
from perception_stack.errors import ConfigError
from perception_stack.geometry.boxes import points_inside
from perception_stack.journal import Journal
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.obstacles import obstacle_points
from perception_stack.tracking.space.tracker import Tracker


def tracked(boxes) -> TrackedObjects:
    return Tracker(TrackerConfig(publish_tentative=True), Journal()).update(boxes)


@pytest.mark.parametrize("spacing_m", [0.1, 0.37, 10.0])
def test_points_lie_on_all_walls_and_leave_no_gap(make_boxes, spacing_m):
    objects = tracked(make_boxes((10, -5, 0.75), yaw_rad=0.7, score=0.98))
    boxes = objects.boxes
    cloud = obstacle_points(objects, spacing_m=spacing_m)
    assert (cloud.frame_id, cloud.stamp_ns) == ("odom", boxes.stamp_ns)
    points = cloud.xyz_m.astype(np.float64)
    assert points_inside(points, boxes, margin_m=1e-4).all()
    assert not points_inside(points, boxes, margin_m=-1e-4).any()
    c, s = np.cos(0.7), np.sin(0.7)
    local = (points - boxes.center_m[0]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    half = boxes.size_lwh_m[0] / 2
    for axis in (0, 1):
        for sign in (-1, 1):
            wall = local[np.abs(local[:, axis] - sign * half[axis]) < 1e-4]
            for along in (1 - axis, 2):
                places = np.unique(np.round(wall[:, along], 4))
                assert np.diff(places).max() <= spacing_m + 1e-3
            assert np.isclose(wall[:, 2].min(), -half[2], atol=1e-4)
            assert np.isclose(wall[:, 2].max(), half[2], atol=1e-4)
    assert len(np.unique(np.round(local, 4), axis=0)) == len(local)


def test_tentative_objects_are_no_obstacles(make_boxes):
    objects = tracked(make_boxes((0, 0, 0), (20, 0, 0), score=[0.5, 0.98]))
    assert sorted(objects.state) == [TrackState.TENTATIVE, TrackState.CONFIRMED]
    points = obstacle_points(objects, spacing_m=0.2).xyz_m
    assert points[:, 0].min() > 10


def test_coasting_objects_are_obstacles(make_boxes):
    objects = tracked(make_boxes((0, 0, 0), score=0.98))
    coasting = replace(objects, state=np.array([TrackState.COASTING], dtype=np.uint8))
    a, b = (obstacle_points(one, spacing_m=0.5).xyz_m for one in (objects, coasting))
    np.testing.assert_array_equal(a, b)


def test_no_objects_give_no_points(make_boxes):
    cloud = obstacle_points(tracked(make_boxes()), spacing_m=0.1)
    assert cloud.xyz_m.shape == (0, 3)
    assert cloud.xyz_m.dtype == np.float32


@pytest.mark.parametrize("spacing_m", [0.0, -1.0, np.nan])
def test_a_spacing_that_is_not_positive_is_refused(make_boxes, spacing_m):
    with pytest.raises(ConfigError, match="spacing_m"):
        obstacle_points(tracked(make_boxes()), spacing_m=spacing_m)
