from __future__ import annotations

import numpy as np
import pytest

from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.lidar.sight import look_around

RIGHT, LEFT = 0, 1
CAR = (4.3, 1.8, 1.5)


def look(cloud, x: float, y: float):
    """What is seen around the cluster nearest to a place: hidden ends, and whether it stands."""
    segmentation = LidarDetector(LidarDetectorConfig(), Journal()).segment(cloud)
    clusters, xyz_m = segmentation.clusters, segmentation.columns.xyz_m
    sight = look_around(xyz_m, clusters.of_point, clusters.ground_m, believed_hidden=0.1)
    on = np.flatnonzero(clusters.of_point >= 0)
    nearest = on[np.argmin(np.hypot(xyz_m[on, 0] - x, xyz_m[on, 1] - y))]
    one = clusters.of_point[nearest]
    return sight.hidden[one], sight.stands[one]


@pytest.mark.parametrize("bearing_deg", [0, 37, 90, 180, -90, -135])
@pytest.mark.parametrize("end", [RIGHT, LEFT])
def test_end_behind_something_nearer_may_go_on_and_the_free_end_does_not(
    scan, bearing_deg: int, end: int
) -> None:
    """A wall in front hides one half of a car that stands across."""
    turn = np.deg2rad(bearing_deg)
    ahead, left = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    side = left if end == LEFT else -left
    wall = 8 * ahead + 1.5 * side
    cloud = scan((*(15 * ahead), *CAR, bearing_deg + 90), (*wall, 0.2, 2.6, 2.5, bearing_deg))
    hidden, stands = look(cloud, *(14.1 * ahead - 1.5 * side))
    assert hidden[end] > 0.8
    assert hidden[1 - end] < 0.05
    assert stands == pytest.approx(1)


def test_without_beams_beside_it_nothing_is_known(scan) -> None:
    cloud = scan((10, 0, *CAR, 90), ground=False)
    xyz_m = cloud.xyz_m
    of_point = np.zeros(len(xyz_m), dtype=np.int32)
    sight = look_around(xyz_m, of_point, np.array([-1.55]), believed_hidden=0.1)
    np.testing.assert_allclose(sight.hidden, 0.1)
    np.testing.assert_allclose(sight.stands, 1.0)


def test_what_beams_pass_below_hangs(scan) -> None:
    """A board 1 m above the ground, of which nothing is seen below, and the same on the ground."""
    board = scan((12, 0, 0.3, 1.0, 1.6, 0), noise_m=0.01)
    x, y, z = board.xyz_m.T
    cut = (np.abs(y) < 0.6) & (x > 11.7) & (x < 12.3) & (z < -0.55)
    # the beams that hit its lower half go on to the ground
    passed = board.xyz_m[cut] * (-1.55 / board.xyz_m[cut, 2])[:, None]
    floating = np.concatenate([board.xyz_m[~cut], passed])
    assert look(board, 12, 0)[1] == pytest.approx(1)
    cloud = type(board)(frame_id="lidar", stamp_ns=0, xyz_m=floating.astype(np.float32))
    assert look(cloud, 12, 0)[1] < 0.1
    boxes = LidarDetector(LidarDetectorConfig(), Journal()).detect(cloud).boxes
    assert boxes.labels == ("unknown",)


def test_no_clusters() -> None:
    sight = look_around(
        np.full((3, 3), np.nan, np.float32),
        np.full(3, -1, np.int32),
        np.empty(0),
        believed_hidden=0.1,
    )
    assert sight.hidden.shape == (0, 2)
