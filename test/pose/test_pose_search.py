from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from perception_stack.objects.rotations import even_rotations
from perception_stack.pose._kernels import contact_poses, rows_within
from perception_stack.pose.hypotheses import best_different, log_prior, nearby, turned
from perception_stack.pose.parallel import by_parts
from perception_stack.pose.region import Points, points_near, points_of_frame, region_of
from perception_stack.pose.scene import Scene
from perception_stack.pose.search import Candidates, Search
from perception_stack.pose.selection import Claim, compatible
from perception_stack.pose.support import above_support, support_plane
from perception_stack.pose.uncertainty import covariance_of
from perception_stack.pose.verification import Tolerance, judge

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


def unoriented(points_m: np.ndarray) -> Points:
    return Points(points_m=points_m, normals=np.full(points_m.shape, np.nan))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_some_rotation_is_near_any_other(seed: int) -> None:
    wanted = Rotation.random(random_state=seed).as_matrix()
    cosine = (np.einsum("hij,ij->h", even_rotations(1000), wanted) - 1) / 2
    assert np.rad2deg(np.arccos(cosine.max())) < 25


def test_contacts_lay_model_points_on_the_seed(models) -> None:
    contacts = models["carton"].contacts
    seed_m, normal = np.array([0.1, -0.2, 0.9]), np.array([0.0, 0.6, -0.8])
    poses = contact_poses(seed_m, normal, contacts.points_m, contacts.normals, 5)
    assert len(poses) == 5 * len(contacts)
    for row in range(0, len(poses), 7):
        contact = row // 5
        placed = poses[row] @ np.append(contacts.points_m[contact], 1)
        assert np.allclose(placed[:3], seed_m)
        assert np.allclose(poses[row, :3, :3] @ contacts.normals[contact], normal)
    assert np.allclose(np.linalg.det(poses[:, :3, :3]), 1)
    turn = poses[0, :3, :3].T @ poses[1, :3, :3]
    assert Rotation.from_matrix(turn).magnitude() == pytest.approx(2 * np.pi / 5)


def test_best_poses_are_different_and_ties_go_to_the_first(models) -> None:
    poses = np.tile(np.eye(4), (5, 1, 1))
    poses[2:, 0, 3] = [0.001, 1.0, 2.0]
    scores = np.array([0.5, 0.5, 0.4, 0.9, 0.1])
    rows = best_different(models["can"], poses, scores, num=10, apart=0.1)
    assert rows.tolist() == [3, 0, 4]
    assert best_different(models["can"], poses, scores, num=2, apart=0.1).tolist() == [3, 0]


def test_turns_keep_the_object_in_its_place(models) -> None:
    model, pose = models["wedge"], moved(np.eye(4), np.array([0.1, 0.2, 0.8]), np.ones(3))
    poses = turned(model, pose[None], apart=0.01)
    assert len(poses) == 33  # three axes, in steps of 30 degrees
    center = np.append(model.fine.points_m.mean(axis=0), 1)
    assert np.allclose(poses @ center, pose @ center)
    assert np.allclose(np.linalg.det(poses[:, :3, :3]), 1)


def test_turns_that_symmetries_undo_are_left_out(models) -> None:
    pose = moved(np.eye(4), np.array([0.1, 0.2, 0.8]), np.ones(3))
    assert len(turned(models["ball"], pose[None], apart=0.1)) == 0
    # a can turned about its axis is the same, and half a turn across it, too
    assert len(turned(models["can"], pose[None], apart=0.1)) == 10
    assert len(turned(models["can"], np.stack([pose, pose]), apart=0.1)) == 10


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_rows_within_are_those_of_a_tree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points_m, middle_m = rng.normal(0, 1, (rng.integers(1, 200), 3)), rng.normal(0, 1, 3)
    expected = cKDTree(points_m).query_ball_point(middle_m, 1.0, return_sorted=True)
    assert rows_within(points_m, middle_m, 1.0).tolist() == expected


@pytest.mark.parametrize("name", ["bracket", "mug"])
def test_target_free_undoes_a_small_error(models, name: str) -> None:
    model, rng = models[name], np.random.default_rng(3)
    truth = moved(np.eye(4), np.array([0.05, 0.0, 0.8]), np.array([2.0, 0.5, 0.3]))
    seen = seen_of(model, truth, rng, 0.0)
    off = moved(truth, np.array([0.006, -0.005, 0.004]), np.array([0.06, -0.05, 0.04]))
    limits = np.geomspace(0.1, 0.03, 20) * model.diameter_m
    found = model.fine.aligned(seen, off[None], limits, seen_normals=unoriented(seen).normals)[0]
    assert np.abs(found[:3, 3] - truth[:3, 3]).max() < 1e-4
    assert np.abs(found[:3, :3] - truth[:3, :3]).max() < 1e-3


def test_target_free_of_many_is_that_of_each(models) -> None:
    model, rng = models["bracket"], np.random.default_rng(3)
    truth = moved(np.eye(4), np.array([0.05, 0.0, 0.8]), np.array([2.0, 0.5, 0.3]))
    seen = seen_of(model, truth, rng, 0.001)
    starts = np.array([moved(truth, rng.normal(0, 0.01, 3), np.zeros(3)) for _ in range(4)])
    limits = np.full(5, 0.02)
    together = model.even.aligned(seen, starts, limits)
    alone = np.concatenate([model.even.aligned(seen, one[None], limits) for one in starts])
    assert np.allclose(together, alone, atol=1e-12)


def test_pose_without_points_nearby_stays(models) -> None:
    pose = moved(np.eye(4), np.array([0.0, 0.0, 5.0]), np.zeros(3))[None]
    seen = np.array([[0.0, 0.0, 0.5], [0.1, 0.0, 0.5]])
    assert np.allclose(models["can"].even.aligned(seen, pose, np.full(3, 0.02)), pose)


def test_plane_around_is_taken_off_and_the_object_left() -> None:
    rng = np.random.default_rng(0)
    table, around = plane_points(rng), plane_points(rng)
    thing = rng.uniform(-0.03, 0.03, (200, 3)) - 0.44 * TOWARDS_CAMERA
    found = above_support(np.vstack([thing, table]), around, noise_m=0.002)
    assert found.tolist() == [True] * 200 + [False] * 500


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


def test_large_planes_are_taken_off_a_frame(models, table) -> None:
    view = table(1)
    points = points_of_frame(view.scene, largest_m=0.24, noise_m=0.003).points_m
    assert 1000 < len(points) < 0.3 * np.isfinite(view.depth.depth_m[::2, ::2]).sum()
    near = 0
    for name in view.truth.labels:
        middle = view.pose(name)[:3, 3]
        near += (np.linalg.norm(points - middle, axis=1) < models[name].diameter_m / 2).sum()
    assert near > 0.7 * len(points)


def test_tops_of_one_height_are_kept() -> None:
    """Three boxes that stand apart on a table seen from above; together they are larger."""
    depth_m = np.full((480, 640), 1.0, dtype=np.float32)
    tops = np.zeros(depth_m.shape, dtype=np.bool_)
    for row, col in ((60, 100), (80, 480), (330, 300)):
        tops[row : row + 80, col : col + 80] = True
    depth_m[tops] = 0.9
    depth_m += np.random.default_rng(0).normal(0, 0.001, depth_m.shape).astype(np.float32)
    pinhole = np.array([600.0, 600.0, 319.5, 239.5])
    rgb = np.empty((0, 0, 3), dtype=np.uint8)
    scene = Scene.of_map(depth_m, pinhole, frame_id="", stamp_ns=0, rgb=rgb)
    points = points_of_frame(scene, largest_m=0.24, noise_m=0.003)
    rows, cols, _ = scene.pixels_of(points.points_m)
    assert tops[rows, cols].all()
    assert len(points) == tops[::2, ::2].sum()


def judged(models, view, name: str, poses: np.ndarray):
    model = models[name]
    points = points_of_frame(view.scene, largest_m=0.24, noise_m=0.003)
    region = region_of(points, diameter_m=model.diameter_m, xyxy_px=np.array([0.0, 0, 640, 480]))
    tolerance = Tolerance(least_m=0.03 * model.diameter_m, noise_m=0.006)
    return judge(model, model.even, poses, view.scene, region.xyxy_px, tolerance=tolerance)


def test_truth_explains_the_image_and_free_space_contradicts(models, table) -> None:
    view = table(1)
    truth = view.pose("bracket")
    towards, away = truth.copy(), truth.copy()
    towards[:3, 3] *= 0.9
    away[:3, 3] *= 1.1
    evidence = judged(models, view, "bracket", np.array([truth, towards, away]))
    assert evidence.agreement[0] > 0.8
    assert evidence.violated[0] < 0.05
    assert evidence.violated[1] > 0.8
    assert (evidence.visible[1:] < 0.3).all()
    assert evidence.rms[0] < 0.5
    box = view.xyxy_px[view.truth.labels.index("bracket")]
    assert 500 < evidence.num_pixels[0] < (box[2] - box[0]) * (box[3] - box[1])


def test_small_thing_on_a_large_surface_has_no_outline(models, table) -> None:
    """A carton sunk into the table is confirmed at every pixel; nothing begins beyond it."""
    view = table(1)
    model = models["carton"]
    depth_m = np.full((480, 640), 0.8, dtype=np.float32)
    scene = Scene.of_map(
        depth_m, view.scene.pinhole, frame_id="c", stamp_ns=0, rgb=np.empty((0, 0, 3), np.uint8)
    )
    pose = np.diag([1.0, -1, -1, 1])
    pose[2, 3] = 0.8 + model.known.size_lwh_m[2] / 2
    points = Points(points_m=np.ones((60, 3)), normals=np.full((60, 3), np.nan))
    region = region_of(points, diameter_m=model.diameter_m, xyxy_px=None)
    tolerance = Tolerance(least_m=0.03 * model.diameter_m, noise_m=0.006)
    evidence = judge(model, model.even, pose[None], scene, region.xyxy_px, tolerance=tolerance)
    assert evidence.agreement[0] > 0.9
    assert evidence.bounded[0] < 0.6


def test_pose_out_of_view_explains_nothing(models, table) -> None:
    behind, beside = np.eye(4), np.eye(4)
    behind[2, 3], beside[:3, 3] = -1.0, [5.0, 0.0, 1.0]
    evidence = judged(models, table(1), "mug", np.array([behind, beside]))
    assert (evidence.agreement == 0).all()
    assert (evidence.visible == 0).all()
    assert (evidence.filled == 0).all()
    assert np.allclose(evidence.rms, 3**-0.5)  # no better than by chance


def test_points_without_a_surface_give_no_candidates(models, table) -> None:
    model = models["can"]
    specks = np.random.default_rng(0).uniform(0.5, 0.6, (60, 3))
    points = Points(points_m=specks, normals=np.full((60, 3), np.nan))
    region = region_of(points, diameter_m=model.diameter_m, xyxy_px=None)
    assert len(Search(model, table(1).scene, region, noise_m=0.003).run()) == 0


def test_nearby_poses_lie_about_the_pose_and_farthest_along_the_line_of_sight(models) -> None:
    model = models["bottle"]
    pose = moved(np.eye(4), np.array([0.1, 0.2, 0.8]), np.ones(3))
    poses = nearby(model, pose)
    middle = np.append(model.known.middle_m, 1.0)
    assert np.array_equal(poses[0], pose)
    shifts = ((poses[1:] - pose) @ middle)[:, :3] / model.diameter_m
    sight = (pose @ middle)[:3] / np.linalg.norm((pose @ middle)[:3])
    assert np.abs(shifts.mean(axis=0)).max() < 0.03
    assert np.std(shifts @ sight) == pytest.approx(0.15, rel=0.15)
    across = shifts - np.outer(shifts @ sight, sight)
    assert np.linalg.norm(across, axis=1).max() < 0.25
    turns = Rotation.from_matrix(poses[1:, :3, :3] @ pose[:3, :3].T).as_rotvec()
    assert np.std(turns, axis=0) == pytest.approx(np.full(3, np.deg2rad(10)), rel=0.15)


@pytest.mark.parametrize("name", ["bottle", "bracket"])
def test_prior_falls_with_the_distance_and_knows_symmetries(models, name: str) -> None:
    model = models[name]
    pose = moved(np.eye(4), np.array([0.1, 0.2, 0.8]), np.ones(3))
    assert log_prior(model, pose @ model.equivalents, pose) == pytest.approx(0.0, abs=1e-9)
    shifts = np.array([0.0, 0.1, 0.2, 0.4])
    poses = np.tile(pose, (4, 1, 1))
    poses[:, 2, 3] += shifts * model.diameter_m
    # the axis of a bottle does not hold it where shifts are measured
    assert log_prior(model, poses, pose) == pytest.approx(-0.5 * (shifts / 0.2) ** 2, abs=1e-6)


def test_pose_nearer_to_where_it_was_expected_is_chosen_of_equals(models, table) -> None:
    """The turn of a cuboid-like object by half is told by little; what is expected decides."""
    view, model = table(1), models["carton"]
    truth = view.pose("carton")
    middle_m = truth[:3, :3] @ model.known.middle_m + truth[:3, 3]
    points = points_near(view.scene, middle_m, diameter_m=model.diameter_m, noise_m=0.003)
    region = region_of(points, diameter_m=model.diameter_m, xyxy_px=None)
    search = Search(model, view.scene, region, noise_m=0.003)
    for motion in model.equivalents:
        found = search.near(truth @ motion).poses[0]
        assert np.abs(found - truth @ motion)[:3, :3].max() < 0.1


@pytest.mark.parametrize(("name", "num_loose"), [("can", 1), ("bottle", 1), ("ball", 3)])
def test_turn_about_an_axis_of_symmetry_is_unknown(models, name: str, num_loose: int) -> None:
    model = models[name]
    truth = moved(np.eye(4), np.array([0.05, 0.0, 0.8]), np.array([1.8, 0.5, 0.3]))
    seen = seen_of(model, truth, np.random.default_rng(0), 0.002)
    covariance, _ = covariance_of(model, unoriented(seen), truth, limit_m=0.01, noise_m=0.003)
    sd, axes = np.linalg.eigh(covariance[3:, 3:])
    sd = np.sqrt(sd)
    assert (sd[3 - num_loose :] > 1.5).all()
    assert (sd[: 3 - num_loose] < 0.1).all()
    if num_loose == 1:
        assert abs(axes[:, 2] @ truth[:3, 2]) > 0.99


def turned_at_random(rng: np.random.Generator) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=rng).as_matrix()
    pose[:3, 3] = [0.05, 0.0, 0.8]
    return pose


def is_covered(model, seen: np.ndarray, truth: np.ndarray) -> bool:
    """Whether the error of the pose fitted to points lies in the 95 % region that it states."""
    limit_m = 0.06 * model.diameter_m
    found = model.fine.aligned(seen, truth[None], np.full(8, limit_m))[0]
    covariance, _ = covariance_of(model, unoriented(seen), found, limit_m=limit_m, noise_m=0.003)
    turn = Rotation.from_matrix(found[:3, :3] @ truth[:3, :3].T).as_rotvec()
    error = np.append(found[:3, 3] - truth[:3, 3], turn)
    return bool(error @ np.linalg.solve(covariance, error) < 12.59)  # 6 degrees of freedom


@pytest.mark.parametrize("name", ["bracket", "wedge"])
def test_covariance_says_how_large_errors_are(models, name: str) -> None:
    model, rng = models[name], np.random.default_rng(1)
    inside = []
    for _ in range(60):
        truth = turned_at_random(rng)
        seen = seen_of(model, truth, rng, 0.003)
        inside.append(is_covered(model, seen, truth))
    assert np.mean(inside) >= 0.8


@pytest.mark.parametrize("name", ["bracket", "wedge"])
def test_covariance_counts_noise_that_neighbours_share(models, name: str) -> None:
    """Waves of three centimetres and more along the rays, which no number of points averages."""
    model, rng = models[name], np.random.default_rng(2)
    inside = []
    for _ in range(60):
        truth = turned_at_random(rng)
        seen = seen_of(model, truth, rng, 0.001)
        waves = rng.normal(0, 2 * np.pi / 0.1, (6, 3))
        phases = rng.uniform(-np.pi, np.pi, 6)
        common_m = 0.002 * np.sqrt(2 / 6) * np.sin(seen @ waves.T + phases).sum(axis=1)
        seen *= 1 + (common_m / seen[:, 2])[:, None]
        inside.append(is_covered(model, seen, truth))
    assert np.mean(inside) >= 0.85


def test_covariance_holds_every_turn_of_a_mug_whose_handle_is_hidden(models) -> None:
    """The mesh's origin is beside the axis: a turn takes it along an arc."""
    model, rng = models["mug"], np.random.default_rng(0)
    truth = moved(np.eye(4), np.array([0.05, 0.0, 0.8]), np.array([1.8, 0.0, 0.0]))
    seen = seen_of(model, truth, rng, 0.001)
    local_m = (seen - truth[:3, 3]) @ truth[:3, :3]
    bowl = model.fine.points_m[:, 0].min() + 0.042  # its outer radius
    seen = seen[np.linalg.norm(local_m[:, :2] - [bowl, 0.0], axis=1) < 0.0435]
    for angle in np.deg2rad([-150.0, -60.0, 40.0, 120.0, 170.0]):
        about = moved(np.eye(4), np.array([bowl, 0.0, 0.0]), np.array([0.0, 0.0, angle]))
        about[:3, 3] -= about[:3, :3] @ np.array([bowl, 0.0, 0.0])
        found = truth @ about
        covariance, _ = covariance_of(model, unoriented(seen), found, limit_m=0.005, noise_m=0.003)
        turn = Rotation.from_matrix(found[:3, :3] @ truth[:3, :3].T).as_rotvec()
        error = np.append(found[:3, 3] - truth[:3, 3], turn)
        assert error @ np.linalg.solve(covariance, error) < 12.59


@pytest.mark.parametrize(("lead", "names"), [(1.0, ["carton"]), (20.0, ["ball", "carton"])])
def test_what_explains_more_of_the_frame_claims_it_first(
    models, table, lead: float, names: list[str]
) -> None:
    """A ball that bulges from a carton's face agrees with some depths of the carton."""
    view = table(1)
    points = points_of_frame(view.scene, largest_m=0.24, noise_m=0.003)
    pose = view.pose("carton")
    local_m = (points.points_m - pose[:3, 3]) @ pose[:3, :3]
    on_it = points.points_m[np.abs(local_m / [0.06, 0.035, 0.085]).max(axis=1) < 1.05]
    ball = np.eye(4)
    ball[:3, 3] = on_it.mean(axis=0)
    ball[:3, 3] *= 1 + 0.045 / np.linalg.norm(ball[:3, 3])
    claims = []
    for model, where in ((models["carton"], pose), (models["ball"], ball)):
        region = region_of(points, diameter_m=model.diameter_m, xyxy_px=None)
        search = Search(model, view.scene, region, noise_m=0.003)
        evidence = search.judged(where[None])
        odds = np.full(1, lead if model is models["ball"] else 0.0)
        candidates = Candidates(
            poses=where[None], evidence=evidence, closely=evidence, log_odds=odds, score=np.ones(1)
        )
        claims.append(Claim(search=search, candidates=candidates, row=0))
    assert [one.search.model.name for one in compatible(claims)] == names


@pytest.mark.parametrize("whole_frame", [True, False])
def test_threads_change_nothing(models, table, whole_frame: bool) -> None:
    view, model = table(1), models["wedge"]
    points = points_of_frame(view.scene, largest_m=model.diameter_m, noise_m=0.003)
    xyxy_px = np.full(4, np.nan)
    if not whole_frame:
        pose = view.pose("wedge")
        middle_m = pose[:3, :3] @ model.known.middle_m + pose[:3, 3]
        points = points_near(view.scene, middle_m, diameter_m=model.diameter_m, noise_m=0.003)
        xyxy_px = view.scene.project(middle_m).repeat(2)[[0, 2, 1, 3]] + [-80.0, -80, 80, 80]
    box = None if whole_frame else xyxy_px
    region = region_of(points, diameter_m=model.diameter_m, xyxy_px=box)
    assert region.is_whole_frame == whole_frame
    alone, together = (
        Search(model, view.scene, region, noise_m=0.003, threads=threads).run()
        for threads in (1, 3)
    )
    assert len(alone) > 0
    assert alone.poses.tobytes() == together.poses.tobytes()
    assert alone.score.tobytes() == together.score.tobytes()


@given(num=st.integers(0, 9), threads=st.integers(1, 4))
def test_parts_come_back_in_order(num: int, threads: int) -> None:
    rows = np.arange(3.0 * num).reshape(num, 3)
    found = by_parts(lambda part: part.sum(axis=1), rows, threads=threads)
    assert found.tolist() == rows.sum(axis=1).tolist()
