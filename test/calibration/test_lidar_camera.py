"""LiDAR-camera from boards: corner order, wrong boards, few boards, and a real rig."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from perception_stack.calibration.estimation.rotations import exp, log
from perception_stack.calibration.grading.grade import Verdict
from perception_stack.calibration.lidar_camera.boards import (
    corners_of,
    poses_of_corners,
    turns_of,
)
from perception_stack.calibration.lidar_camera.calibrate import LidarCamera, calibrate_lidar_camera
from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.board_poses import read_board_poses
from perception_stack.simulation.boards import BoardRecording, record_boards

_NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def _found(
    record: BoardRecording, rows: slice = slice(None), initial: RigidTransform | None = None
) -> LidarCamera:
    camera = poses_of_corners(record.camera_m[rows], record.size_m)
    return calibrate_lidar_camera(
        camera,
        poses_of_corners(record.lidar_m[rows], record.size_m),
        size_m=record.size_m,
        names=[f"board {i}" for i in range(len(camera))],
        lidar="lidar",
        camera="camera",
        now=_NOW,
        initial=initial,
    )


@pytest.mark.parametrize("square", [False, True])
def test_truth_whatever_the_order_of_corners_and_wrong_boards_are_named(square: bool) -> None:
    record = record_boards(np.random.default_rng(3), num=20, outliers=0.25, square=square)
    found = _found(record)
    truth = record.lidar_from_camera
    errors = np.concatenate(
        [
            found.lidar_from_camera.translation_m - truth.translation_m,
            log(found.lidar_from_camera.rotation @ truth.rotation.T),
        ]
    )
    std = np.sqrt(np.diag(found.covariance))
    assert (np.abs(errors) < 4 * std).all()
    assert std[:3].max() < 0.03
    named = np.array([not one.used for one in found.grade.observations])
    np.testing.assert_array_equal(named, record.wrong)
    assert "standard deviations off" in next(
        one.reason for one in found.grade.observations if not one.used
    )
    assert found.grade.advice[0].startswith("hold the board")


def test_one_board_needs_a_rough_start_and_is_not_good() -> None:
    record = record_boards(np.random.default_rng(4), num=1)
    with pytest.raises(CalibrationError, match="upside down"):
        _found(record)
    truth = record.lidar_from_camera
    found = _found(record, initial=truth)
    assert found.grade.verdict is not Verdict.GOOD
    turn = log(found.lidar_from_camera.rotation @ truth.rotation.T)
    assert np.rad2deg(np.linalg.norm(turn)) < 5


def test_no_boards() -> None:
    record = record_boards(np.random.default_rng(4), num=2)
    with pytest.raises(CalibrationError, match="no board"):
        _found(record, slice(0, 0))


def test_wrong_units_are_told() -> None:
    with pytest.raises(CalibrationError, match="units"):
        poses_of_corners(1000 * corners_of((0.6, 0.8))[None], (0.6, 0.8))


def test_corners_in_any_order_give_one_pose_but_for_symmetry() -> None:
    size, rng = (0.6, 0.9), np.random.default_rng(0)
    rotation = exp(np.array([0.2, -0.4, 1.0]))
    corners = corners_of(size) @ rotation.T + [0, 0, 2.0]
    for _ in range(10):
        (found,) = poses_of_corners(rng.permutation(corners)[None], size).rotation
        # z may point to either side, and the board may be turned by half
        over = [np.eye(3), np.diag([1.0, -1, -1])]
        same = [found @ flip @ turn for flip in over for turn in turns_of(size)]
        assert min(np.abs(one - rotation).max() for one in same) < 1e-9


def test_real_rig(data_dir: Path) -> None:
    corners = read_board_poses(data_dir / "calib_lidar_camera" / "acfr_vlp16" / "poses.csv")
    record = BoardRecording(
        size_m=(0.61, 0.85),
        camera_m=corners.camera_m,
        lidar_m=corners.lidar_m,
        wrong=np.zeros(20, dtype=np.bool_),
        lidar_from_camera=RigidTransform(
            target="lidar", source="camera", rotation=np.eye(3), translation_m=np.zeros(3)
        ),
    )
    whole = _found(record)
    miss_mm = 1000 * np.linalg.norm(whole.errors_m, axis=2)
    # the alignment in the README of the data: 14 mm fitted, 17 mm on others
    assert miss_mm.mean() < 12.5
    assert miss_mm[:, 4].mean() < 9.5
    # all 40 poses, from the README
    np.testing.assert_allclose(
        whole.lidar_from_camera.translation_m, [0.063, 0.013, -0.169], atol=0.01
    )
    assert any("ranges seem" in one for one in whole.grade.why)
    first, second = (_found(record, half) for half in (slice(0, 20, 2), slice(1, 20, 2)))
    one, other = first.lidar_from_camera, second.lidar_from_camera
    assert np.linalg.norm(one.translation_m - other.translation_m) < 0.02
    assert np.rad2deg(np.linalg.norm(log(one.rotation.T @ other.rotation))) < 0.6
    middle = poses_of_corners(corners.camera_m, (0.61, 0.85)).center_m.mean(axis=0)
    assert np.linalg.norm(one.apply(middle) - other.apply(middle)) < 0.01
