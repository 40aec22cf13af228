"""LiDAR to camera without a target: on simulated streets whose truth is exact."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_stack.calibration.estimation.rotations import covariance_of_inverse
from perception_stack.calibration.grading.grade import Verdict
from perception_stack.calibration.target_free import AlignedFrame, AlignmentConfig, calibrate
from perception_stack.calibration.target_free._kernels import nearest
from perception_stack.calibration.target_free.image_edges import ImageEdges
from perception_stack.calibration.target_free.scan_edges import find_edges
from perception_stack.calibration.target_free.score import EdgeFrame, Score
from perception_stack.calibration.target_free.search import climb, wrong_places
from perception_stack.calibration.target_free.view import Resampler, directions
from perception_stack.datatypes import ColorImage, PointCloud
from perception_stack.errors import CalibrationError, FrameMismatchError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.lidar.deskew import timed_by_azimuth

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
UNITS = np.repeat([0.05, 0.1], 3)


def moved(pose: RigidTransform, change: np.ndarray) -> RigidTransform:
    """A transform turned about its target's axes and then shifted; rad and m."""
    turn = RigidTransform(
        target=pose.target,
        source=pose.target,
        rotation=Rotation.from_rotvec(change[:3]).as_matrix(),
        translation_m=change[3:].copy(),
    )
    return turn @ pose


@pytest.fixture(scope="module")
def frames(road_rig, road_mount) -> list[AlignedFrame]:
    return [
        AlignedFrame(
            name=f"{t}", image=road_rig.picture(t, road_mount), cloud=road_rig.turn(t, road_mount)
        )
        for t in (1.0, 6.0)
    ]


@pytest.fixture(scope="module")
def edge_frames(frames, road_camera) -> list[EdgeFrame]:
    lens = Resampler(road_camera)
    return [
        EdgeFrame(image=ImageEdges(lens.look(one.image)), edges=find_edges(one.cloud))
        for one in frames
    ]


def test_start_3_degrees_and_10_cm_off_is_recovered(frames, road_camera, road_mount) -> None:
    truth = road_mount.camera_from_lidar
    start = moved(truth, np.array([1, -1, 1, 1, -1, -1]) * np.repeat([np.deg2rad(3), 0.1], 3))
    config = AlignmentConfig(num_resamples=20)
    found = calibrate(frames, road_camera, start=start, config=config, now=NOW)
    error = found.camera_from_lidar @ truth.inverse()
    assert np.rad2deg(Rotation.from_matrix(error.rotation).magnitude()) < 0.2
    assert np.linalg.norm(found.camera_from_lidar.translation_m - truth.translation_m) < 0.05
    shift = found.camera_from_lidar.translation_m - truth.translation_m
    off = np.concatenate([shift, Rotation.from_matrix(error.rotation).as_rotvec()])
    assert (np.abs(off) < 4 * np.sqrt(np.diag(found.covariance))).all()
    assert found.grade.verdict is not Verdict.NOT_ENOUGH
    assert all(one.observable for one in found.grade.parameters)


def test_a_result_owes_nothing_to_its_start(frames, road_camera, road_mount) -> None:
    """What lies in view, and how large sums are by chance, would differ with the start."""
    found = []
    for sign in (1, -1):
        change = sign * np.array([1, -1, 1, 1, -1, -1]) * np.repeat([np.deg2rad(2), 0.1], 3)
        result = calibrate(
            frames,
            road_camera,
            start=moved(road_mount.camera_from_lidar, change),
            config=AlignmentConfig(num_samples=512, num_resamples=20),
            now=NOW,
        )
        found.append(result.camera_from_lidar)
    apart = found[0] @ found[1].inverse()
    assert np.rad2deg(Rotation.from_matrix(apart.rotation).magnitude()) < 0.015
    assert np.linalg.norm(found[0].translation_m - found[1].translation_m) < 0.0025


def test_images_of_another_place_are_not_called_good(frames, road_camera, road_mount) -> None:
    crossed = [
        replace(frames[0], image=frames[1].image),
        replace(frames[1], image=frames[0].image),
    ]
    found = calibrate(
        crossed,
        road_camera,
        start=moved(road_mount.camera_from_lidar, np.repeat([0.03, 0.05], 3)),
        config=AlignmentConfig(num_samples=256, num_resamples=20),
        now=NOW,
    )
    assert found.grade.verdict is not Verdict.GOOD


def driven(frame: AlignedFrame, speed_mps: float) -> AlignedFrame:
    """Its scan as met by a scanner that turns clockwise in 0.1 s while it moves ahead.

    The cloud is stamped at the scan's start, the image is taken in its middle.
    """
    cloud = timed_by_azimuth(frame.cloud, turn_s=0.1)
    moved_m = cloud.xyz_m.copy()
    moved_m[:, 0] -= speed_mps * cloud.time_offset_s
    return replace(
        frame,
        cloud=replace(
            cloud,
            xyz_m=moved_m,
            stamp_ns=frame.image.stamp_ns - 50_000_000,
            time_offset_s=cloud.time_offset_s + np.float32(0.05),
        ),
    )


def test_what_was_driven_within_a_scan_does_not_move_the_pose(
    frames, road_camera, road_mount
) -> None:
    """Taken as scans of one moment, these move it by 0.16 degrees and 2.3 cm."""
    truth = road_mount.camera_from_lidar
    found = calibrate(
        [driven(one, speed) for one, speed in zip(frames, (18.0, 9.0), strict=True)],
        road_camera,
        start=moved(truth, np.repeat([0.01, 0.03], 3)),
        config=AlignmentConfig(num_samples=256, num_resamples=20),
        now=NOW,
    )
    error = found.camera_from_lidar @ truth.inverse()
    assert np.rad2deg(Rotation.from_matrix(error.rotation).magnitude()) < 0.1
    assert np.linalg.norm(found.camera_from_lidar.translation_m - truth.translation_m) < 0.02


def test_speeds_are_found_with_the_pose(frames, edge_frames, road_mount) -> None:
    """Not as exactly: they trade with turns about the upright axis, and have a prior at zero."""
    found = []
    for speeds_mps in ((0.0, 0.0), (18.0, 9.0)):
        seen = []
        for one, frame, speed_mps in zip(frames, edge_frames, speeds_mps, strict=True):
            edges = find_edges(driven(one, speed_mps).cloud)
            seen.append(replace(frame, edges=replace(edges, time_s=edges.time_s - 0.05)))
        place = np.zeros(10)
        for blur_rad in np.deg2rad([0.2, 0.1]):
            score = Score(seen, start=road_mount.camera_from_lidar, blur_rad=blur_rad, units=UNITS)
            score.learn_spread(wrong_places(32, seed=0, num_numbers=10))
            place = climb(score, place).place
        found.append(15 * place[8:])
    assert (found[1] - found[0]).tolist() == pytest.approx([18, 9], abs=7)


def test_slope_is_the_derivative_of_the_score(edge_frames, road_mount) -> None:
    """Of two frames, the second without times."""
    x, y, _ = edge_frames[0].edges.position_m.T
    timed = replace(edge_frames[0].edges, time_s=0.1 * np.arctan2(y, x))
    score = Score(
        [replace(edge_frames[0], edges=timed), edge_frames[1]],
        start=road_mount.camera_from_lidar,
        blur_rad=np.deg2rad(0.8),
        units=UNITS,
    )
    score.learn_spread(np.random.default_rng(0).uniform(-2, 2, (16, 9)))
    place = np.array([0.2, -0.1, 0.15, 0.3, -0.2, 0.1, -0.5, 0.4, 0.6])
    _, slope = score.value_and_slope(place)
    step = 1e-3
    numeric = [
        (score.value(place + step * one) - score.value(place - step * one)) / (2 * step)
        for one in np.eye(9)
    ]
    # maps are read bilinearly, so the slope jumps at pixels, and few of the edges cross one
    np.testing.assert_allclose(slope, numeric, rtol=0.1, atol=0.1 * np.abs(slope).max())


def test_the_width_of_beams_is_found_with_the_pose(edge_frames, road_mount) -> None:
    """Ends across beams put 0.1 degrees too far out, as by a beam that is 3.5 mrad wide."""
    wide = []
    for one in edge_frames:
        edges, across = one.edges, (one.edges.kind == 0)[:, None]
        out_m = np.deg2rad(0.1) * np.linalg.norm(edges.position_m, axis=1, keepdims=True)
        wide.append(
            replace(
                one,
                edges=replace(edges, position_m=edges.position_m + across * out_m * edges.normal),
            )
        )
    truth = road_mount.camera_from_lidar
    places = []
    for frames in (edge_frames, wide):
        score = Score(frames, start=truth, blur_rad=np.deg2rad(0.1), units=UNITS)
        score.learn_spread(wrong_places(32, seed=0))
        places.append(climb(score, np.zeros(8)).place)
    assert (places[1] - places[0])[6:].tolist() == pytest.approx([-1, 0], abs=0.35)
    found = score.pose(places[1])
    turn = Rotation.from_matrix(found.rotation @ truth.rotation.T).magnitude()
    assert np.rad2deg(turn) < 0.1
    assert np.linalg.norm(found.translation_m - truth.translation_m) < 0.03


def test_score_is_higher_at_the_truth_than_anywhere_far(edge_frames, road_mount) -> None:
    score = Score(
        edge_frames, start=road_mount.camera_from_lidar, blur_rad=np.deg2rad(0.4), units=UNITS
    )
    places = np.random.default_rng(1).uniform(-1, 1, (64, 8))
    far = places[np.linalg.norm(places[:, :3], axis=1) > 0.5]
    score.learn_spread(far)
    assert score.value(np.zeros(8)) > 3 * max(score.value(one) for one in far)


@pytest.mark.parametrize(
    ("model", "distortion"),
    [
        ("", []),
        ("plumb_bob", [-0.3, 0.1, 0.001, -0.002, 0.0]),
        ("equidistant", [0.02, -0.01, 0.003, 0.0]),
    ],
)
def test_view_undoes_the_lens(model: str, distortion: list[float]) -> None:
    """A dot at a pixel is found in the direction that the camera model says."""
    k = np.array([[300.0, 0, 319.5], [0, 300, 239.5], [0, 0, 1]])
    camera = CameraModel(
        frame_id="camera",
        width_px=640,
        height_px=480,
        k=k,
        distortion_model=model,
        distortion=np.array(distortion),
        rectification=np.eye(3),
        projection=np.hstack([k, np.zeros((3, 1))]),
    )
    bgr = np.zeros((480, 640, 3), dtype=np.uint8)
    bgr[79:82, 539:542] = 255
    view = Resampler(camera).look(ColorImage(frame_id="camera", stamp_ns=0, bgr=bgr))
    row, col = (
        np.average(np.indices(view.brightness.shape)[i], weights=view.brightness) for i in (0, 1)
    )
    azimuth, elevation = directions(camera.rays(np.array([[540.0, 80.0]])))
    assert view.azimuth_rad + col * view.step_rad == pytest.approx(azimuth[0], abs=5e-4)
    assert view.elevation_rad + row * view.step_rad == pytest.approx(elevation[0], abs=5e-4)


def test_edges_of_a_panel_lie_on_its_outline() -> None:
    """A square panel before a wall, any order of points: upright and level ends, nothing else."""
    azimuth, elevation = np.meshgrid(
        np.deg2rad(np.arange(-20, 20, 0.2)), np.deg2rad(np.arange(-10, 10, 0.5))
    )
    tangent = np.column_stack([np.tan(azimuth).ravel(), np.tan(elevation).ravel()])
    on_panel = (np.abs(10 * tangent) < 1.0).all(axis=1)
    depth = np.where(on_panel, 10.0, 20.0)[:, None]
    points = np.hstack([depth, depth * tangent]).astype(np.float32)
    mixed = points[np.random.default_rng(0).permutation(len(points))]
    edges = find_edges(PointCloud(frame_id="lidar", stamp_ns=0, xyz_m=mixed))
    assert len(edges) > 50
    outline = np.abs(edges.position_m[:, 1:] / edges.position_m[:, :1] * 10).max(axis=1)
    upright = edges.kind == 0
    assert np.abs(outline[upright] - 1).max() < 10 * np.deg2rad(0.2) / 2 + 0.01
    assert np.abs(outline[~upright] - 1).max() < 10 * np.deg2rad(0.5) / 2 + 0.01
    straight = edges.weight > 0.9
    assert np.abs(edges.normal[straight & upright, 1]).min() > 0.95
    assert (edges.sign == 0).all()


@settings(deadline=None, max_examples=40)
@given(num=st.integers(1, 200), seed=st.integers(0, 10**6), shape=st.sampled_from("clf"))
def test_nearest_are_those_of_all_distances(num: int, seed: int, shape: str) -> None:
    """Clumps with holes, a line, and few places that many share."""
    rng = np.random.default_rng(seed)
    x, y = {
        "c": rng.normal(size=(2, num)) ** 3,
        "l": np.stack([rng.random(num), np.full(num, 0.3)]),
        "f": rng.integers(0, 3, (2, num)).astype(np.float64),
    }[shape]
    found = nearest(x, y, 10)
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(distance, np.inf)
    few = min(num - 1, 10)
    assert (found[:, few:] == -1).all()
    assert ((found[:, :few] >= 0) & (found[:, :few] != np.arange(num)[:, None])).all()
    assert all(len(set(row)) == few for row in found[:, :few].tolist())
    np.testing.assert_allclose(
        np.take_along_axis(distance, found[:, :few], axis=1), np.sort(distance, axis=1)[:, :few]
    )


def test_ground_alone_has_no_ends() -> None:
    """Rings far apart on a plane are no edge, however large the step between them."""
    azimuth, elevation = np.meshgrid(
        np.deg2rad(np.arange(-30, 30, 0.2)), np.deg2rad(np.arange(-20, -3, 1.0))
    )
    flat = 1.8 / np.tan(-elevation)
    points = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), 0 * flat - 1.8], axis=-1)
    cloud = PointCloud(
        frame_id="lidar", stamp_ns=0, xyz_m=points.reshape(-1, 3).astype(np.float32)
    )
    assert len(find_edges(cloud)) == 0


def test_bad_input_is_named(frames, road_camera, road_mount) -> None:
    start, config = road_mount.camera_from_lidar, AlignmentConfig()
    with pytest.raises(CalibrationError, match="no frames"):
        calibrate([], road_camera, start=start, config=config, now=NOW)
    nothing = PointCloud(
        frame_id=start.source, stamp_ns=0, xyz_m=np.full((5, 3), np.nan, dtype=np.float32)
    )
    with pytest.raises(CalibrationError, match="0 edges"):
        calibrate(
            [replace(frames[0], cloud=nothing)], road_camera, start=start, config=config, now=NOW
        )
    small = replace(frames[0].image, bgr=frames[0].image.bgr[:100].copy())
    with pytest.raises(CalibrationError, match="640x100"):
        calibrate(
            [replace(frames[0], image=small)], road_camera, start=start, config=config, now=NOW
        )
    with pytest.raises(FrameMismatchError, match="start"):
        calibrate(frames, road_camera, start=start.inverse(), config=config, now=NOW)


def test_covariance_of_the_inverse_is_that_of_samples() -> None:
    rng = np.random.default_rng(5)
    pose = RigidTransform(
        target="camera",
        source="lidar",
        rotation=Rotation.from_rotvec([0.3, -1.0, 0.7]).as_matrix(),
        translation_m=np.array([0.5, -1.0, 2.0]),
    )
    root = rng.normal(size=(6, 6)) * 1e-3
    errors = rng.normal(size=(20000, 6)) @ root.T
    back = pose.inverse()
    turn = Rotation.from_rotvec(errors[:, 3:]).as_matrix() @ pose.rotation
    shift = pose.translation_m + errors[:, :3]
    turned = turn.swapaxes(1, 2)
    off = -np.einsum("nij,nj->ni", turned, shift) - back.translation_m
    spin = Rotation.from_matrix(turned @ back.rotation.T).as_rotvec()
    sampled = np.cov(np.hstack([off, spin]).T)
    expected = covariance_of_inverse(pose, root @ root.T)
    np.testing.assert_allclose(sampled, expected, atol=0.05 * np.abs(expected).max())
