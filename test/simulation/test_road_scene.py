"""The simulated drive: its data and its truth agree, and it is the same each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D
from perception_stack.errors import ConfigError
from perception_stack.geometry.boxes import corners, points_inside, project_boxes, transform_boxes
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.course import CARRIAGEWAY_M, KERB_HEIGHT_M, Course, slopes
from perception_stack.simulation.lidar import RANGE_SIGMA_M
from perception_stack.simulation.road import (
    LIDAR_HEIGHT_M,
    ROAD_CLASSES,
    RoadConfig,
    road_scene,
)
from perception_stack.simulation.scene import (
    FRAME_PERIOD_NS,
    START_STAMP_NS,
    Scene,
    SimulatedFrame,
)

CONFIG = RoadConfig(num_azimuths=400, image_width_px=480, image_height_px=160, min_pixels=100)
NOISE_M = 6 * RANGE_SIGMA_M
STATIONARY_MPS = 1e-9


@pytest.fixture(scope="module")
def scene() -> Scene:
    return road_scene(CONFIG)


@pytest.fixture(scope="module")
def frames(scene) -> list[SimulatedFrame]:
    return [scene.frame(idx) for idx in (0, 1, 2, 30)]


def world_from(frame: SimulatedFrame, scene: Scene, sensor: str) -> RigidTransform:
    (world_from_base,) = frame.transforms
    (base_from_sensor,) = (one for one in scene.static_transforms if one.source == sensor)
    return world_from_base @ base_from_sensor


def points_in_world(frame: SimulatedFrame, scene: Scene) -> np.ndarray:
    return world_from(frame, scene, "velodyne").apply(frame.cloud.xyz_m.astype(np.float64))


def frame_bytes(frame: SimulatedFrame) -> list[bytes]:
    arrays = [
        frame.cloud.xyz_m,
        frame.cloud.intensity,
        frame.image.bgr,
        frame.truth.center_m,
        frame.truth.quat_xyzw,
        frame.truth.size_lwh_m,
        frame.truth.class_probs,
        frame.track_ids,
        frame.velocity_mps,
        frame.visibility.num_points,
        frame.visibility.num_pixels,
        frame.visibility.xyxy_px,
        frame.detections_2d.xyxy_px,
        frame.detections_2d.score,
        frame.point_ids,
        frame.pixel_ids,
        *(one.matrix for one in frame.transforms),
    ]
    return [np.ascontiguousarray(array).tobytes() for array in arrays]


def test_same_seed_same_bytes_in_any_order(frames):
    again = road_scene(CONFIG)
    for idx, frame in ((30, frames[3]), (1, frames[1])):
        assert frame_bytes(again.frame(idx)) == frame_bytes(frame)


def test_another_seed_is_another_street(frames):
    other = road_scene(replace(CONFIG, seed=1)).frame(0)
    assert other.cloud.xyz_m.tobytes() != frames[0].cloud.xyz_m.tobytes()
    assert other.truth.center_m.tobytes() != frames[0].truth.center_m.tobytes()


def test_frames_are_ten_a_second():
    config = replace(CONFIG, num_frames=3, num_azimuths=90, image_width_px=64, image_height_px=32)
    made = list(road_scene(config).frames())
    assert [frame.stamp_ns for frame in made] == [
        START_STAMP_NS + idx * FRAME_PERIOD_NS for idx in range(3)
    ]
    for frame in made:
        stamped = (frame.cloud, frame.image, frame.truth, frame.detections_2d)
        assert {one.stamp_ns for one in stamped} == {frame.stamp_ns}
        assert frame.depth is None
        assert frame.image.bgr.shape == (32, 64, 3)
        assert frame.truth.frame_id == "odom"
        assert frame.cloud.frame_id == "velodyne"
        assert frame.image.frame_id == frame.camera.frame_id == "camera_optical"


def test_points_of_an_object_lie_in_its_box(frames, scene):
    for frame in frames:
        points = points_in_world(frame, scene)
        inside = points_inside(points, frame.truth, margin_m=NOISE_M)
        for row, track_id in enumerate(frame.track_ids):
            assert inside[row, frame.point_ids == track_id].all()


def test_no_other_point_lies_deep_in_a_box(frames, scene):
    for frame in frames:
        points = points_in_world(frame, scene)
        inside = points_inside(points, frame.truth, margin_m=-0.15)
        strangers = inside & (frame.track_ids[:, None] != frame.point_ids)
        assert not strangers.any()


def test_points_on_the_carriageway_lie_on_its_surface(frames, scene):
    course = Course(radius_m=CONFIG.curve_radius_m)
    for frame in frames:
        points = points_in_world(frame, scene)
        along, aside = course.places(points)
        road = (frame.point_ids < 0) & (np.abs(aside) < CARRIAGEWAY_M - 0.3) & (points[:, 2] < 2)
        surface = course.points(along[road], aside[road], np.zeros(road.sum()))
        assert road.sum() > 2000
        # the surface is drawn in flat pieces of 2 m, and markings lie 4 mm above it
        assert np.abs(points[road, 2] - surface[:, 2]).max() < 0.045
        np.testing.assert_allclose(surface[:, :2], points[road, :2], atol=1e-6)


def test_vehicle_rides_above_the_road_and_looks_where_it_goes(frames):
    course = Course(radius_m=CONFIG.curve_radius_m)
    for frame in frames:
        (pose,) = frame.transforms
        along, aside = course.places(pose.translation_m[None])
        ground = course.points(along, aside, np.zeros(1))[0]
        assert pose.translation_m[2] - ground[2] == pytest.approx(LIDAR_HEIGHT_M, abs=0.01)
    way = frames[2].transforms[0].translation_m - frames[0].transforms[0].translation_m
    speed_mps = np.linalg.norm(way) / 0.2
    assert speed_mps == pytest.approx(CONFIG.pace_mps, abs=1.5)
    ahead = frames[1].transforms[0].rotation[:, 0]
    assert ahead @ way / np.linalg.norm(way) > np.cos(np.deg2rad(1.0))


def test_ground_of_any_relief_is_known_from_above():
    """The bare surface plus the kerb, at places found from x and y alone."""
    course = Course(radius_m=150.0, relief=slopes((10.0, 0.1), (40.0, -0.05)), bank=0.03)
    along_m, aside_m = np.array([-20.0, 5.0, 30.0, 60.0]), np.array([0.0, 3.0, -7.0, 5.0])
    lift_m = np.array([0.0, 0.0, KERB_HEIGHT_M, 0.0])
    points_m = course.points(along_m, aside_m, lift_m)
    np.testing.assert_allclose(course.places(points_m[:, :2]), [along_m, aside_m], atol=1e-9)
    np.testing.assert_allclose(course.ground_m(points_m[:, :2]), points_m[:, 2], atol=1e-9)
    # far from the kinks the slopes are the ones asked for
    climbed_m = np.diff(course.relief(np.array([20.0, 30.0, 80.0, 90.0])))
    np.testing.assert_allclose(climbed_m[[0, 2]], [1.0, -0.5], atol=0.02)


def test_what_stands_still_stays_put_in_odom(frames, scene):
    first, last = frames[0], frames[2]
    shared, at_first, at_last = np.intersect1d(
        first.track_ids, last.track_ids, return_indices=True
    )
    parked = np.linalg.norm(first.velocity_mps[at_first], axis=1) < STATIONARY_MPS
    assert parked.sum() > 10
    for name in ("center_m", "quat_xyzw", "size_lwh_m"):
        before, after = (getattr(one.truth, name) for one in (first, last))
        np.testing.assert_array_equal(before[at_first[parked]], after[at_last[parked]])
    # the points measured later lie in the boxes of before, though the sensor has moved 1.6 m
    points = points_in_world(last, scene)
    inside = points_inside(points, first.truth, margin_m=NOISE_M)
    for track_id, row in zip(shared[parked], at_first[parked], strict=True):
        assert inside[row, last.point_ids == track_id].all()


def test_velocity_is_the_change_of_position(frames):
    first, second = frames[:2]
    _, at_first, at_second = np.intersect1d(first.track_ids, second.track_ids, return_indices=True)
    before, after = first.velocity_mps[at_first], second.velocity_mps[at_second]
    moved = second.truth.center_m[at_second] - first.truth.center_m[at_first]
    smooth = np.linalg.norm(after - before, axis=1) < 0.3  # not the one who sets off to cross
    assert smooth.sum() >= len(smooth) - 1
    np.testing.assert_allclose(moved[smooth], 0.1 * (before + after)[smooth] / 2, atol=2e-3)
    speeds = np.linalg.norm(before, axis=1)
    assert (speeds > 5).sum() >= 4
    assert speeds.max() < 2 * CONFIG.pace_mps


def test_pixels_lie_in_the_projected_boxes(frames, scene):
    for frame in frames:
        camera_from_world = world_from(frame, scene, "camera_optical").inverse()
        boxes = transform_boxes(frame.truth, camera_from_world)
        xyxy_px, visible = project_boxes(boxes, frame.camera)
        assert visible[frame.visibility.num_pixels > 0].all()
        for row, track_id in enumerate(frame.track_ids):
            v, u = np.nonzero(frame.pixel_ids == track_id)
            assert len(v) == frame.visibility.num_pixels[row]
            if len(v):
                seen = np.array([u.min(), v.min(), u.max(), v.max()])
                whole = frame.visibility.xyxy_px[row]
                assert (whole[:2] <= seen[:2] - 0.49).all()
                assert (whole[2:] >= seen[2:] + 0.49).all()
                assert (xyxy_px[row, :2] <= whole[:2] + 1).all()
                assert (xyxy_px[row, 2:] >= whole[2:] - 1).all()


def test_lidar_and_camera_see_the_same_objects_in_the_same_places(frames, scene):
    for frame in frames:
        camera_from_world = world_from(frame, scene, "camera_optical").inverse()
        points = camera_from_world.apply(points_in_world(frame, scene))
        projected = frame.camera.project(points)
        u, v = np.round(projected.uv_px[projected.visible]).astype(int).T
        same = frame.pixel_ids[v, u] == frame.point_ids[projected.visible]
        # the two look from places 28 cm apart, so edges differ
        assert same.mean() > 0.94
        on_object = frame.point_ids[projected.visible] >= 0
        assert same[on_object].mean() > 0.85


def test_visibility_counts_what_is_there(frames):
    for frame in frames:
        seen = frame.visibility
        for row, track_id in enumerate(frame.track_ids):
            assert seen.num_points[row] == (frame.point_ids == track_id).sum()
        hidden = seen.range_occluded == 1
        assert hidden.any()
        assert (seen.num_points[hidden] == 0).all()
        occluded = seen.range_occluded[~np.isnan(seen.range_occluded)]
        assert occluded.min() == 0
        assert occluded.max() <= 1
        np.testing.assert_array_equal(
            np.isnan(seen.image_occluded), np.isnan(seen.xyxy_px).all(axis=1)
        )
        np.testing.assert_array_equal(
            seen.countable,
            (seen.num_points >= CONFIG.min_points) | (seen.num_pixels >= CONFIG.min_pixels),
        )
        for row, sensors in enumerate(frame.truth.sensors):
            assert ("lidar" in sensors) == (seen.num_points[row] > 0)
            assert ("camera" in sensors) == (seen.num_pixels[row] > 0)
            assert sensors == tuple(sorted(sensors))


def test_all_classes_are_there_and_can_be_seen(frames):
    for frame in frames:
        assert frame.truth.classes == ROAD_CLASSES
        assert set(frame.truth.rows(frame.visibility.countable).labels) == set(ROAD_CLASSES)


def test_scan_is_like_a_64_beam_scan(frames):
    for frame in frames:
        num = len(frame.cloud)
        assert 0.7 < num / (64 * CONFIG.num_azimuths) < 1
        range_m = np.linalg.norm(frame.cloud.xyz_m, axis=1)
        assert range_m.max() < 121
        assert np.isfinite(frame.cloud.xyz_m).all()
        assert frame.cloud.intensity.min() >= 0
        assert frame.cloud.intensity.max() <= 1
        elevation_deg = np.rad2deg(np.arcsin(frame.cloud.xyz_m[:, 2] / range_m))
        beams = np.unique(np.round(elevation_deg, 2))
        assert len(beams) == 64
        assert beams.max() == pytest.approx(2.0, abs=0.01)
        assert beams.min() == pytest.approx(-24.33, abs=0.01)


def test_one_pedestrian_crosses():
    config = replace(CONFIG, num_azimuths=90, image_width_px=64, image_height_px=32)
    crossers = set()
    small = road_scene(config)
    for idx in (5, 15, 25, 35, 45):
        frame = small.frame(idx)
        _, aside = Course(radius_m=CONFIG.curve_radius_m).places(frame.truth.center_m)
        for track_id, label, d in zip(frame.track_ids, frame.truth.labels, aside, strict=True):
            if label == "pedestrian" and abs(d) < 4:
                crossers.add(int(track_id))
    assert len(crossers) == 1


def footprints_overlap(boxes: Boxes3D) -> np.ndarray:
    """Which pairs of boxes overlap seen from above (separating axes), bool [N, N]."""
    flat = corners(boxes)[:, :4, :2]
    axes = (flat - np.roll(flat, 1, axis=1))[:, :2]
    spans = np.einsum("akx,ncx->aknc", axes, flat)
    low, high = spans.min(axis=3), spans.max(axis=3)  # [axes of a, k, box n]
    own = np.arange(len(boxes))
    own_low, own_high = low[own, :, own][..., None], high[own, :, own][..., None]
    apart = ((low > own_high) | (high < own_low)).any(axis=1)
    overlap: np.ndarray = ~(apart | apart.T)
    np.fill_diagonal(overlap, val=False)
    return overlap


@pytest.mark.parametrize("seed", range(3))
def test_nobody_runs_into_anybody(seed):
    config = RoadConfig(
        seed=seed, num_frames=120, num_azimuths=90, image_width_px=64, image_height_px=32
    )
    made = road_scene(config)
    for idx in range(0, 120, 29):
        frame = made.frame(idx)
        (ego,) = frame.transforms
        boxes = transform_boxes(frame.truth, ego.inverse())
        assert not footprints_overlap(boxes).any()
        vehicle_m = np.array([[x, y, -1.0] for x in (-2.0, 0.0, 2.0) for y in (-0.9, 0.0, 0.9)])
        assert not points_inside(vehicle_m, boxes).any()


def test_a_road_that_would_meet_itself_is_refused():
    with pytest.raises(ConfigError, match="run into itself"):
        RoadConfig(num_frames=600, pace_mps=15.0, curve_radius_m=100.0)
