"""The simulated table: depth and truth agree with the meshes, and it is the same each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_stack.geometry.boxes import corners, points_inside, transform_boxes
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat
from perception_stack.simulation.depth_camera import depth_sigma_m
from perception_stack.simulation.scene import Scene, SimulatedFrame
from perception_stack.simulation.table import TABLE_HEIGHT_M, TableConfig, table_scene
from perception_stack.simulation.table_objects import known_objects

CONFIG = TableConfig(image_width_px=320, image_height_px=240, min_pixels=100)
MESHES = {known.name: known.mesh for known in known_objects()}


@pytest.fixture(scope="module")
def scene() -> Scene:
    return table_scene(CONFIG)


@pytest.fixture(scope="module")
def frames(scene) -> list[SimulatedFrame]:
    return [scene.frame(idx) for idx in (0, 1, 20)]


def world_from_camera(frame: SimulatedFrame, scene: Scene) -> RigidTransform:
    (world_from_base,) = scene.static_transforms
    (base_from_camera,) = frame.transforms
    return world_from_base @ base_from_camera


def measured_points(frame: SimulatedFrame, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Points in the world of all pixels with depth, and their object's identity."""
    v, u = np.nonzero(np.isfinite(frame.depth.depth_m))
    rays = frame.camera.rays(np.column_stack([u, v]).astype(np.float64))
    points = rays * frame.depth.depth_m[v, u].astype(np.float64)[:, None]
    return world_from_camera(frame, scene).apply(points), frame.pixel_ids[v, u]


def test_same_seed_same_bytes_in_any_order(frames):
    again = table_scene(CONFIG)
    for idx, frame in ((20, frames[2]), (0, frames[0])):
        other = again.frame(idx)
        for name in ("image.bgr", "depth.depth_m", "truth.center_m", "detections_2d.xyxy_px"):
            outer, inner = name.split(".")
            one, two = (getattr(getattr(each, outer), inner) for each in (frame, other))
            assert one.tobytes() == two.tobytes(), name


def test_another_seed_is_another_table(frames):
    other = table_scene(replace(CONFIG, seed=1)).frame(0)
    assert other.depth.depth_m.tobytes() != frames[0].depth.depth_m.tobytes()
    assert other.truth.center_m.tobytes() != frames[0].truth.center_m.tobytes()


def test_truth_is_one_row_for_each_known_object(frames):
    for frame in frames:
        assert frame.cloud is None
        assert frame.truth.labels == tuple(MESHES)
        np.testing.assert_array_equal(
            frame.truth.size_lwh_m, [mesh.size_lwh_m for mesh in MESHES.values()]
        )
        np.testing.assert_array_equal(frame.velocity_mps, 0)
        np.testing.assert_array_equal(frame.truth.center_m, frames[0].truth.center_m)


@pytest.mark.parametrize("seed", range(6))
def test_objects_stand_on_the_table_without_touching(seed):
    small = replace(CONFIG, seed=seed, image_width_px=64, image_height_px=64)
    truth = table_scene(small).frame(0).truth
    footprints = []
    for label, quat, center in zip(truth.labels, truth.quat_xyzw, truth.center_m, strict=True):
        points = MESHES[label].triangles_m.reshape(-1, 3) @ matrix_from_quat(quat).T + center
        assert points[:, 2].min() == pytest.approx(TABLE_HEIGHT_M, abs=1e-12)
        footprints.append((center[:2], np.linalg.norm(points[:, :2] - center[:2], axis=1).max()))
    for i, (one_m, one_radius_m) in enumerate(footprints):
        for two_m, two_radius_m in footprints[:i]:
            assert np.linalg.norm(one_m - two_m) > one_radius_m + two_radius_m


def test_depth_of_an_object_lies_in_its_box(frames, scene):
    for frame in frames:
        points, ids = measured_points(frame, scene)
        inside = points_inside(points, frame.truth, margin_m=0.012)
        for row, track_id in enumerate(frame.track_ids):
            assert inside[row, ids == track_id].all()
            assert (ids == track_id).sum() == frame.visibility.num_points[row]


def test_depth_of_ball_and_carton_lies_on_their_surface(frames, scene):
    for frame in frames:
        points, ids = measured_points(frame, scene)
        for label in ("ball", "carton"):
            row = frame.truth.labels.index(label)
            turn = matrix_from_quat(frame.truth.quat_xyzw[row])
            local = (points[ids == frame.track_ids[row]] - frame.truth.center_m[row]) @ turn
            half = frame.truth.size_lwh_m[row] / 2
            reach = np.abs(local) / half
            outside = np.linalg.norm(reach, axis=1) if label == "ball" else reach.max(axis=1)
            distance_m = (outside - 1) * half.min()
            assert len(local) > 300
            assert np.abs(np.median(distance_m)) < 0.001
            assert np.abs(distance_m).max() < 0.01


def test_depth_noise_grows_as_stated(frames, scene):
    depth_m, residual_m = [], []
    for frame in frames:
        points, ids = measured_points(frame, scene)
        camera = world_from_camera(frame, scene)
        depth = camera.inverse().apply(points)[:, 2]
        # depth at which the ray meets the table's plane
        ray = (points - camera.translation_m) / depth[:, None]
        expected = (TABLE_HEIGHT_M - camera.translation_m[2]) / ray[:, 2]
        table = (ids < 0) & (np.abs(points[:, 2] - TABLE_HEIGHT_M) < 0.02)
        depth_m.append(depth[table])
        residual_m.append((depth - expected)[table])
    depth, residual = np.concatenate(depth_m), np.concatenate(residual_m)
    for low, high in ((0.5, 0.7), (0.7, 0.9), (0.9, 1.1)):
        there = (depth > low) & (depth < high)
        assert there.sum() > 500
        stated_m = np.sqrt(np.mean(depth_sigma_m(depth[there]) ** 2))
        assert np.std(residual[there]) == pytest.approx(stated_m, rel=0.1)


def test_steps_in_depth_leave_holes(frames):
    for frame in frames:
        objects = frame.pixel_ids >= 0
        invalid = np.isnan(frame.depth.depth_m)
        border = objects & ~(np.roll(objects, 1, axis=1) & np.roll(objects, -1, axis=1))
        assert invalid[border].mean() > 3 * invalid[objects & ~border].mean()
        assert 0.005 < invalid.mean() < 0.2


def test_camera_moves_slowly_and_looks_at_the_table(frames, scene):
    first, second = (world_from_camera(frame, scene) for frame in frames[:2])
    assert 0 < np.linalg.norm(second.translation_m - first.translation_m) < 0.03
    for frame in frames:
        assert frame.transforms[0].target == "base_link"
        assert frame.visibility.countable.all()
        boxes = transform_boxes(frame.truth, world_from_camera(frame, scene).inverse())
        assert (corners(boxes)[..., 2] > 0.3).all()
