"""Labelled pictures: the same boxes as the simulator's truth, the same pictures each time."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.album import SPLITS, Labelled, pictures
from perception_stack.simulation.light import DAYLIGHT
from perception_stack.simulation.scene import Scene, SimulatedFrame
from perception_stack.simulation.table import TableConfig, table_scene, table_world
from perception_stack.simulation.variety import any_light, repainted
from perception_stack.simulation.world import take_snapshot


@pytest.fixture(scope="module")
def road() -> list[Labelled]:
    return list(islice(pictures("test", 1), 2))


def test_boxes_hold_what_is_to_be_seen(road: list[Labelled]) -> None:
    for picture in road:
        height, width = picture.bgr.shape[:2]
        low, high = picture.xyxy_px[:, :2], picture.xyxy_px[:, 2:]
        assert (low >= 0).all()
        assert (high <= [width, height]).all()
        area = (high - low).prod(axis=1)
        assert (picture.visible_px <= area).all()
        asked = ~picture.hard
        assert asked.any()
        assert (picture.visible_px[asked] >= 400).all()
        assert (picture.occluded[asked] <= 0.8).all()
        assert not (picture.hopeless & asked).any()


def test_a_picture_comes_out_the_same_and_scenes_differ(road: list[Labelled]) -> None:
    again = next(pictures("test", 1))
    np.testing.assert_array_equal(again.bgr, road[0].bgr)
    np.testing.assert_array_equal(again.xyxy_px, road[0].xyxy_px)
    other = next(pictures("test", 2))
    assert other.labels != road[0].labels or not np.array_equal(other.bgr, road[0].bgr)


def test_boxes_are_those_of_the_simulators_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    # the third scene of a split is a table; ask for it at the time of its first frame
    seed = SPLITS["test"].first_seed + 3
    rng = np.random.default_rng([seed, 9])
    rng.random()  # whether it is plain
    num = int(rng.integers(4, 13)) if rng.random() < 0.4 else 0
    scene = table_scene(TableConfig(seed=seed, num_cluttered=num))
    frame = scene.frame(0)
    monkeypatch.setattr(
        "perception_stack.simulation.album.orbit",
        lambda _time_s: _camera_pose(scene, frame),
    )
    picture = next(pictures("test", 3))
    seen = ~np.isnan(frame.visibility.xyxy_px[:, 0])
    np.testing.assert_allclose(picture.xyxy_px, frame.visibility.xyxy_px[seen] + 0.5)
    np.testing.assert_array_equal(picture.visible_px, frame.visibility.num_pixels[seen])
    difference = picture.bgr.astype(int) - frame.image.bgr
    assert np.abs(difference).mean() < 3  # noise of 2 grey values in each


def _camera_pose(scene: Scene, frame: SimulatedFrame) -> RigidTransform:
    (world_from_base,), (base_from_camera,) = scene.static_transforms, frame.transforms
    return world_from_base @ base_from_camera


def test_seeds_of_splits_are_disjoint_and_far_from_those_that_people_type() -> None:
    first = sorted(split.first_seed for split in SPLITS.values())
    assert first[0] >= 1_000_000
    assert min(np.diff(first)) >= 1_000_000


def test_paint_stays_on_what_was_of_one_colour() -> None:
    bodies = table_world(TableConfig(seed=4))
    snapshot = take_snapshot(bodies, 0.0, center_m=np.zeros(3), radius_m=10.0)
    painted = repainted(snapshot, np.random.default_rng(0))
    before = np.column_stack([snapshot.body_idx, snapshot.bgr])
    after = np.column_stack([before, painted.bgr])
    assert len(np.unique(after, axis=0)) == len(np.unique(before, axis=0))
    assert (painted.bgr != snapshot.bgr).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(painted.triangles_m, snapshot.triangles_m)


def test_light_falls_from_the_sun() -> None:
    normals = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    light = replace(DAYLIGHT, to_sun=(0.0, 0.0, 9.0), ambient=0.4, skylight=0.1, sunlight=0.5)
    np.testing.assert_allclose(light.on(normals), [1.0, 0.3, 0.4])


def test_any_light_is_a_light() -> None:
    for seed in range(50):
        light = any_light(np.random.default_rng(seed))
        assert 0 < light.ambient < 1
        assert light.haze_m > 50
        assert all(0 <= one <= 255 for one in (*light.horizon_bgr, *light.zenith_bgr))
        assert light.grain.shape[0] == 4
