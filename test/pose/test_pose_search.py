from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_stack.pose.alignment import align
from perception_stack.pose.hypotheses import (
    best_different,
    even_rotations,
    group_centers,
    guess_poses,
    turned,
)
from perception_stack.pose.support import above_support, support_plane
from perception_stack.pose.uncertainty import covariance_of
from perception_stack.pose.verification import covered, filled, shown

TOWARDS_CAMERA = np.array([0.0, -0.8, -0.6])


def plane_points(rng: np.random.Generator, num: int = 500) -> np.ndarray:
    """Of a table 0.5 m from the camera, looked at from above."""
    across = np.linalg.svd(TOWARDS_CAMERA[None])[2][1:]
    points = rng.uniform(-0.3, 0.3, (num, 2)) @ across - 0.5 * TOWARDS_CAMERA
    return points + rng.normal(0, 0.001, (num, 1)) * TOWARDS_CAMERA


def moved(pose: np.ndarray, shift_m: np.ndarray, rotvec: np.ndarray) -> np.ndarray:
    step = np.eye(4)
    step[:3, :3] = Rotation.from_rotvec(rotvec).as_matrix()
    step[:3, 3] = shift_m
    return pose @ step


def seen_of(model, pose: np.ndarray, rng: np.random.Generator, noise_m: float) -> np.ndarray:
    """Random surface points that face the camera, with noise along the ray."""
    points = model.fine.points_m @ pose[:3, :3].T + pose[:3, 3]
    normals = model.fine.normals @ pose[:3, :3].T
    points = points[np.einsum("ni,ni->n", normals, points) < 0]
    points = points[rng.choice(len(points), 300, replace=False)]
    return points * (1 + rng.normal(0, noise_m, (300, 1)) / points[:, 2:])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_some_rotation_is_near_any_other(seed: int) -> None:
    wanted = Rotation.random(random_state=seed).as_matrix()
    cosine = (np.einsum("hij,ij->h", even_rotations(1000), wanted) - 1) / 2
    assert np.rad2deg(np.arccos(cosine.max())) < 25


def test_guesses_show_their_surface_at_the_point(models) -> None:
    model, center_m = models["carton"], np.array([0.1, -0.2, 0.9])
    poses = guess_poses(model.surface, center_m, num=200)
    for pose in poses[::20]:
        points = model.surface.points_m @ pose[:3, :3].T + pose[:3, 3]
        facing = (model.surface.normals @ pose[:3, :3].T) @ center_m < -0.1 * 0.93
        assert np.linalg.norm(points[facing].mean(axis=0) - center_m) < 0.01


def test_groups_are_told_apart_and_specks_left_out() -> None:
    rng = np.random.default_rng(0)
    large, small = (rng.uniform(-0.05, 0.05, (num, 3)) for num in (900, 300))
    small[:, 0] += 0.5
    speck = np.array([[0.0, 1.0, 0.0]])
    points = np.vstack([small, large, speck])
    centers = group_centers(points, 0.03, most=3)
    assert np.allclose(centers, [large.mean(axis=0), small.mean(axis=0)])
    assert np.allclose(group_centers(points, 0.03, most=1), large.mean(axis=0)[None])


def test_best_poses_are_different_and_ties_go_to_the_first(models) -> None:
    poses = np.tile(np.eye(4), (5, 1, 1))
    poses[2:, 0, 3] = [0.001, 1.0, 2.0]
    scores = np.array([0.5, 0.5, 0.4, 0.9, 0.1])
    rows = best_different(models["can"], poses, scores, num=10, apart=0.1)
    assert rows.tolist() == [3, 0, 4]
    assert best_different(models["can"], poses, scores, num=2, apart=0.1).tolist() == [3, 0]


def test_turns_keep_the_object_in_its_place(models) -> None:
    model, pose = models["wedge"], moved(np.eye(4), np.array([0.1, 0.2, 0.8]), np.ones(3))
    poses = turned(model, pose[None])
    assert np.allclose(poses[0], pose)
    center = np.append(model.surface.points_m.mean(axis=0), 1)
    assert np.allclose(poses @ center, pose @ center)
    assert np.allclose(np.linalg.det(poses[:, :3, :3]), 1)


@pytest.mark.parametrize("name", ["bracket", "mug", "wedge"])
def test_alignment_undoes_a_small_error(models, name: str) -> None:
    model, rng = models[name], np.random.default_rng(3)
    truth = moved(np.eye(4), np.array([0.05, 0.0, 0.8]), np.array([2.0, 0.5, 0.3]))
    seen = seen_of(model, truth, rng, 0.0)
    off = moved(truth, np.array([0.006, -0.005, 0.004]), np.array([0.06, -0.05, 0.04]))
    limits = np.geomspace(0.1, 0.03, 20) * model.diameter_m
    found = align(model.fine, seen, off[None], limits, one_sided=True)[0]
    assert np.abs(found[:3, 3] - truth[:3, 3]).max() < 2e-3
    assert np.abs(found[:3, :3] - truth[:3, :3]).max() < 0.02


def test_alignment_of_many_is_that_of_each(models) -> None:
    model, rng = models["bracket"], np.random.default_rng(3)
    truth = moved(np.eye(4), np.array([0.05, 0.0, 0.8]), np.array([2.0, 0.5, 0.3]))
    seen = seen_of(model, truth, rng, 0.001)
    starts = np.array([moved(truth, rng.normal(0, 0.01, 3), np.zeros(3)) for _ in range(4)])
    limits = np.full(5, 0.02)
    together = align(model.surface, seen, starts, limits)
    alone = np.concatenate([align(model.surface, seen, one[None], limits) for one in starts])
    assert np.allclose(together, alone, atol=1e-12)


def test_pose_without_points_nearby_stays(models) -> None:
    pose = moved(np.eye(4), np.array([0.0, 0.0, 5.0]), np.zeros(3))[None]
    seen = np.array([[0.0, 0.0, 0.5], [0.1, 0.0, 0.5]])
    assert np.allclose(align(models["can"].surface, seen, pose, np.full(3, 0.02)), pose)


def test_plane_around_is_taken_off_and_the_object_left() -> None:
    rng = np.random.default_rng(0)
    table, around = plane_points(rng), plane_points(rng)
    thing = rng.uniform(-0.03, 0.03, (200, 3)) - 0.44 * TOWARDS_CAMERA
    found = above_support(np.vstack([thing, table]), around, noise_m=0.002)
    assert np.array_equal(found, thing)


def test_face_of_something_nearer_is_no_support() -> None:
    rng = np.random.default_rng(0)
    face = np.column_stack([rng.uniform(-0.3, 0.0, (600, 2)), np.full(600, 0.5)])
    behind = np.column_stack([rng.uniform(0.0, 0.3, (400, 2)), rng.uniform(0.6, 1.2, 400)])
    plane = support_plane(np.vstack([face, behind]), noise_m=0.002)
    assert plane is None


@pytest.mark.parametrize(
    "points", [np.empty((0, 3)), np.ones((2, 3)), np.ones((50, 3))], ids=["0", "2", "one place"]
)
def test_no_plane_in_too_little(points: np.ndarray) -> None:
    assert support_plane(points, noise_m=0.003) is None


def test_truth_explains_the_image_and_free_space_contradicts(models, table) -> None:
    view = table(1)
    model, truth = models["bracket"], view.pose("bracket")
    towards = truth.copy()
    towards[:3, 3] *= 0.9
    away = truth.copy()
    away[:3, 3] *= 1.1
    poses = np.array([truth, towards, away])
    shares = shown(
        model.surface, poses, view.depth.depth_m, view.camera, tolerance_m=0.04 * model.diameter_m
    )
    assert shares[0] > 0.8
    assert (shares[1:] < 0.3).all()


def test_pose_out_of_view_explains_nothing(models, table) -> None:
    view = table(1)
    behind, beside = np.eye(4), np.eye(4)
    behind[2, 3], beside[:3, 3] = -1.0, [5.0, 0.0, 1.0]
    poses, model = np.array([behind, beside]), models["mug"]
    depth_m, camera = view.depth.depth_m, view.camera
    assert (shown(model.surface, poses, depth_m, camera, tolerance_m=0.01) == 0).all()
    assert (filled(model.rough, poses, camera, np.array([100.0, 100, 200, 200])) == 0).all()
    assert (covered(model.surface, poses, np.ones((3, 3)), tolerance_m=0.01) == 0).all()


@pytest.mark.parametrize(("name", "num_loose"), [("can", 1), ("bottle", 1), ("ball", 3)])
def test_turn_about_an_axis_of_symmetry_is_unknown(models, name: str, num_loose: int) -> None:
    model = models[name]
    truth = moved(np.eye(4), np.array([0.05, 0.0, 0.8]), np.array([1.8, 0.5, 0.3]))
    seen = seen_of(model, truth, np.random.default_rng(0), 0.002)
    covariance = covariance_of(model, seen, truth, limit_m=0.01, noise_m=0.003)
    sd, axes = np.linalg.eigh(covariance[3:, 3:])
    sd = np.sqrt(sd)
    assert (sd[3 - num_loose :] > 1.5).all()
    assert (sd[: 3 - num_loose] < 0.1).all()
    if num_loose == 1:
        assert abs(axes[:, 2] @ truth[:3, 2]) > 0.99


@pytest.mark.parametrize("name", ["bracket", "wedge"])
def test_covariance_says_how_large_errors_are(models, name: str) -> None:
    model, rng = models[name], np.random.default_rng(1)
    inside = []
    for _ in range(60):
        truth = np.eye(4)
        truth[:3, :3] = Rotation.random(random_state=rng).as_matrix()
        truth[:3, 3] = [0.05, 0.0, 0.8]
        seen = seen_of(model, truth, rng, 0.003)
        found = align(model.fine, seen, truth[None], np.full(8, 0.06 * model.diameter_m))[0]
        covariance = covariance_of(
            model, seen, found, limit_m=0.06 * model.diameter_m, noise_m=0.003
        )
        turn = Rotation.from_matrix(found[:3, :3] @ truth[:3, :3].T).as_rotvec()
        error = np.append(found[:3, 3] - truth[:3, 3], turn)
        inside.append(error @ np.linalg.solve(covariance, error) < 12.59)  # 95 %, 6 degrees
    assert np.mean(inside) >= 0.8
