from __future__ import annotations

import numpy as np
import pytest

from perception_stack.lidar.clustering import NO_OBSTACLE, Clusters, find_clusters
from perception_stack.lidar.columns import build_columns
from perception_stack.lidar.config import LidarDetectorConfig


def post(x: float, y: float, *, width_m: float = 0.4, low_m: float = 0.3, high_m: float = 1.7):
    """An upright square of points above a ground at z = 0."""
    side, up = np.meshgrid(np.arange(0, width_m, 0.05), np.arange(low_m, high_m, 0.1))
    return np.stack([np.full_like(side, x), y + side, up], axis=-1).reshape(-1, 3)


def cluster(*parts: np.ndarray, **params) -> Clusters:
    xyz_m = np.concatenate(parts).astype(np.float32)
    config = LidarDetectorConfig(**params)
    columns = build_columns(xyz_m, config)
    return find_clusters(columns, np.zeros(len(columns)), config)


@pytest.mark.parametrize(
    ("parts", "num"),
    [
        pytest.param([post(10, 0)], 1, id="one"),
        pytest.param([post(10, 0), post(10, 0.65)], 2, id="two_people_0.3_m_apart"),
        pytest.param([post(10, 0), post(10, 2)], 2, id="two_far_apart"),
        pytest.param([post(10, 0), post(10, 0.65, high_m=0.9)], 1, id="a_person_and_a_bag"),
        pytest.param([post(10, 0, width_m=2), post(10, 2.25)], 1, id="a_car_torn_apart"),
        pytest.param([post(10, 0, width_m=2), post(10, 3)], 2, id="a_car_and_a_person"),
        pytest.param(
            [post(10, 0, width_m=4, high_m=1.5), post(10, 4.3)],
            2,
            id="a_person_beside_a_whole_car",
        ),
        pytest.param([post(10, 0, low_m=2.5, high_m=3.5)], 0, id="a_crown"),
        pytest.param([post(10, 0), post(10, 0, low_m=3, high_m=3.9)], 1, id="below_a_crown"),
        pytest.param([post(10, 0, high_m=3.9)], 1, id="a_tall_thing"),
        pytest.param([post(10, 0, low_m=0.0, high_m=0.19)], 0, id="ground"),
        pytest.param([post(10, 0, low_m=4.1, high_m=6)], 0, id="too_high"),
    ],
)
def test_number_of_things(parts: list[np.ndarray], num: int) -> None:
    assert cluster(*parts).num == num


def test_gap_allowed_grows_with_range() -> None:
    wide = [post(1, 0, width_m=2, high_m=1), post(1, 2.5, width_m=2, high_m=1)]
    assert cluster(*[part + np.array([9, 0, 0]) for part in wide]).num == 2
    assert cluster(*[part + np.array([59, 0, 0]) for part in wide]).num == 1


def test_a_scrap_between_two_people_does_not_join_them() -> None:
    one, other = post(10, 0), post(10, 0.95)
    scrap = np.array([[10, 0.65, 1.0], [10, 0.66, 1.1]])  # 0.3 m away from both
    clusters = cluster(one, other, scrap)
    assert clusters.num == 2
    assert clusters.of_point[0] != clusters.of_point[len(one)]
    assert clusters.of_point[-1] in (0, 1)


def test_crown_is_not_part_of_the_person_below() -> None:
    person, crown = post(10, 0), post(10, 0, low_m=3, high_m=3.9)
    clusters = cluster(person, crown)
    assert (clusters.of_point[: len(person)] == 0).all()
    assert (clusters.of_point[len(person) :] == NO_OBSTACLE).all()


def test_least_number_of_points() -> None:
    few = post(10, 0)[:6]
    assert (cluster(few, min_points=6).num, cluster(few, min_points=6).num_too_small) == (1, 0)
    assert (cluster(few, min_points=7).num, cluster(few, min_points=7).num_too_small) == (0, 1)


def test_partition_does_not_depend_on_the_order_of_points() -> None:
    random = np.random.default_rng(3)
    places = random.uniform(-20, 20, (60, 2))
    xyz_m = np.concatenate([post(x, y, high_m=random.uniform(0.5, 3)) for x, y in places])
    order = random.permutation(len(xyz_m))
    one, other = cluster(xyz_m).of_point, cluster(xyz_m[order]).of_point
    assert one.max() > 20
    # the same groups under other numbers
    pairs = np.unique(np.stack([one[order], other]), axis=1)
    assert pairs.shape[1] == len(np.unique(one)) == len(np.unique(other))


@pytest.mark.parametrize("voxel_m", [0.05, 0.1, 0.2, 0.3])
def test_any_column_width_keeps_a_full_wall_whole(voxel_m: float) -> None:
    wall = post(10, 0, width_m=6, high_m=1)
    assert cluster(wall, voxel_m=voxel_m).num == 1
