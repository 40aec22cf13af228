from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_stack.datatypes import Keypoints2D
from perception_stack.errors import ShapeError
from perception_stack.geometry.camera import CameraModel
from perception_stack.pose.keypoints import pose_from_keypoints, pose_from_tag

CAMERA = CameraModel.pinhole(
    frame_id="camera",
    width_px=640,
    height_px=480,
    k=np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]),
)
POINTS_M = np.random.default_rng(0).uniform(-0.1, 0.1, (12, 3))


def some_pose(seed: int) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    pose[:3, 3] = np.random.default_rng(seed).uniform((-0.2, -0.1, 0.6), (0.2, 0.1, 1.2))
    return pose


def seen(pose: np.ndarray, points_m: np.ndarray) -> np.ndarray:
    return CAMERA.project(points_m @ pose[:3, :3].T + pose[:3, 3]).uv_px


def error_of(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    turn = Rotation.from_matrix(found[:3, :3] @ truth[:3, :3].T).as_rotvec()
    return np.append(found[:3, 3] - truth[:3, 3], turn)


@given(st.integers(0, 2**31 - 1))
def test_exact_keypoints_give_the_exact_pose(seed: int) -> None:
    truth = some_pose(seed)
    found = pose_from_keypoints(POINTS_M, seen(truth, POINTS_M), CAMERA)
    assert found is not None
    assert np.abs(error_of(found.pose, truth)).max() < 1e-5
    assert found.inliers.all()


def test_wrong_and_absent_keypoints_are_left_out() -> None:
    truth = some_pose(3)
    uv_px = seen(truth, POINTS_M)
    uv_px[2] += 60
    uv_px[5] = np.nan
    found = pose_from_keypoints(POINTS_M, uv_px, CAMERA)
    assert found is not None
    assert np.flatnonzero(~found.inliers).tolist() == [2, 5]
    assert np.abs(error_of(found.pose, truth)).max() < 1e-5


def test_keypoints_of_a_network_are_taken_where_they_are_seen() -> None:
    """Those that it did not see lie anywhere."""
    truth = some_pose(4)
    uv_px = seen(truth, POINTS_M)
    uv_px[[2, 7]] = 0.0
    score = np.full(12, 0.9)
    score[[2, 7]] = 0.1
    names = tuple(f"corner {i}" for i in range(12))
    keypoints = Keypoints2D(names=names, uv_px=uv_px[None], score=score[None])
    found = pose_from_keypoints(POINTS_M, keypoints.seen_px(0, least=0.5), CAMERA)
    assert found is not None
    assert np.flatnonzero(~found.inliers).tolist() == [2, 7]
    assert np.abs(error_of(found.pose, truth)).max() < 1e-5


def test_covariance_covers_the_error() -> None:
    rng = np.random.default_rng(1)
    distances = []
    for seed in range(200):
        truth = some_pose(seed)
        uv_px = seen(truth, POINTS_M) + rng.normal(0, 1.0, (12, 2))
        found = pose_from_keypoints(POINTS_M, uv_px, CAMERA, noise_px=1.0)
        assert found is not None
        error = error_of(found.pose, truth)
        distances.append(error @ np.linalg.solve(found.covariance, error))
    inside = (np.array(distances) < 10.64).mean()  # 90 % of chi-square with 6 degrees of freedom
    assert 0.8 < inside < 0.98


def test_tag_seen_straight_on_lists_its_mirrored_pose_too() -> None:
    corners_m = 0.025 * np.array([[-1.0, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0]])
    facing = np.diag([1.0, -1.0, -1.0, 1.0])
    facing[2, 3] = 1.0
    slanted = facing.copy()
    slanted[:3, :3] = Rotation.from_euler("y", 50, degrees=True).as_matrix() @ facing[:3, :3]
    near = slanted.copy()
    near[2, 3] = 0.15
    noisy = seen(facing, corners_m)
    noisy[0, 0] += 0.2
    ambiguous = pose_from_tag(noisy, 0.05, CAMERA)
    clear = pose_from_tag(seen(near, corners_m), 0.05, CAMERA)
    assert ambiguous is not None
    assert clear is not None
    assert len(ambiguous.alternatives) == 1
    assert len(clear.alternatives) == 0
    assert np.abs(error_of(clear.pose, near)).max() < 1e-4


def test_too_few_or_contradicting_points_give_no_pose() -> None:
    uv_px = seen(some_pose(0), POINTS_M)
    uv_px[3:] = np.nan
    assert pose_from_keypoints(POINTS_M, uv_px, CAMERA) is None
    noise = np.random.default_rng(0).uniform((0, 0), (640, 480), (12, 2))
    assert pose_from_keypoints(POINTS_M, noise, CAMERA) is None
    with pytest.raises(ShapeError):
        pose_from_keypoints(POINTS_M[:3], uv_px[:3], CAMERA)
    with pytest.raises(ShapeError):
        pose_from_keypoints(POINTS_M, uv_px[:5], CAMERA)
