from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import DepthImage
from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.depth.detector import DepthDetector
from perception_stack.errors import ConfigError, FrameMismatchError, ShapeError
from perception_stack.geometry.boxes import points_inside, transform_boxes
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.journal import Journal, Reason
from perception_stack.simulation.builders import box, turn
from perception_stack.simulation.table import TableConfig, table_scene

LIKELY_50, LIKELY_90 = 2.366, 6.251  # chi square of three degrees of freedom


@pytest.fixture(scope="module")
def camera(scene):
    return scene.camera(640, 480, 560.0)


@pytest.fixture(scope="module")
def look(scene):
    return scene.pose((-0.65, 0.0, 0.6))


@pytest.fixture(scope="module")
def image(scene, camera, look) -> DepthImage:
    thing = box((0.2, 0.1, 0.12), scene.paint).moved(0, 0, 0.06, rotation=turn(2, 0.4))
    return scene.photograph([scene.table, thing], camera, look, noise=1.0)[0]


def detect(image, camera, journal=None, **config):
    return DepthDetector(DepthDetectorConfig(**config), journal or Journal()).detect(image, camera)


def test_one_box_on_the_table(image, camera, look) -> None:
    journal = Journal()
    found = detect(image, camera, journal)
    boxes = found.boxes
    assert (len(boxes), boxes.frame_id, boxes.stamp_ns) == (1, "camera", 5)
    assert (boxes.labels, boxes.sensors) == (("unknown",), (("depth",),))
    turned = look.rotation @ matrix_from_quat(boxes.quat_xyzw[0])
    np.testing.assert_allclose(look.apply(boxes.center_m)[0], [0, 0, 0.06], atol=0.01)
    np.testing.assert_allclose(boxes.size_lwh_m[0], [0.2, 0.1, 0.12], atol=0.015)
    assert abs(turned[:, 0] @ [np.cos(0.4), np.sin(0.4), 0]) > np.cos(np.deg2rad(5))
    assert turned[2, 2] > np.cos(np.deg2rad(2))
    assert (np.linalg.eigvalsh(boxes.covariance[0]) > 0).all()


@pytest.mark.parametrize("azimuth_deg", [-40, 0, 25, 70])
def test_yaw_is_that_of_the_thing_and_not_its_bearing(scene, camera, azimuth_deg: int) -> None:
    """A peer gives every box the direction in which it is seen."""
    c, s = np.cos(np.deg2rad(azimuth_deg)), np.sin(np.deg2rad(azimuth_deg))
    look = scene.pose((-0.65 * c, -0.65 * s, 0.6))
    thing = box((0.2, 0.1, 0.12), scene.paint).moved(0, 0, 0.06, rotation=turn(2, 0.4))
    image, _ = scene.photograph([scene.table, thing], camera, look, noise=1.0)
    boxes = detect(image, camera).boxes
    turned = look.rotation @ matrix_from_quat(boxes.quat_xyzw[0])
    assert abs(turned[:, 0] @ [np.cos(0.4), np.sin(0.4), 0]) > np.cos(np.deg2rad(5))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), holes=st.floats(0, 1), spread_m=st.sampled_from([0, 0.05, 2]))
def test_no_image_gives_an_infinite_box(scene, seed: int, holes: float, spread_m: float) -> None:
    rng = np.random.default_rng(seed)
    depth_m = 1.0 + np.abs(rng.normal(0, 1, (48, 64))) * spread_m
    depth_m[12:30, 20:40] -= 0.4
    depth_m[rng.random((48, 64)) < holes] = np.nan
    camera = scene.camera(64, 48, 50.0)
    image = DepthImage(frame_id="camera", stamp_ns=5, depth_m=depth_m.astype(np.float32))
    found = detect(image, camera, min_points=4)
    boxes = found.boxes
    for values in (found.xyz_m, boxes.center_m, boxes.size_lwh_m, boxes.covariance):
        assert np.isfinite(values).all()
    assert (boxes.size_lwh_m > 0).all()
    assert (np.linalg.eigvalsh(boxes.covariance) > 0).all()


def test_points_stand_on_the_table_and_in_their_box(image, camera, look) -> None:
    found = detect(image, camera)
    assert found.xyz_m.dtype == np.float32
    own = found.xyz_m[found.box_of_point == 0].astype(np.float64)
    assert len(own) > 5000
    assert points_inside(own, found.boxes, margin_m=0.01)[0].mean() > 0.98
    height_m = look.apply(found.xyz_m.astype(np.float64))[:, 2]
    assert np.mean(height_m > 0.002) > 0.99


def test_same_image_gives_the_same_to_the_bit(image, camera) -> None:
    first, again = detect(image, camera), detect(image, camera)
    np.testing.assert_array_equal(first.boxes.center_m, again.boxes.center_m)
    np.testing.assert_array_equal(first.boxes.covariance, again.boxes.covariance)
    np.testing.assert_array_equal(first.box_of_point, again.box_of_point)


@pytest.mark.parametrize("num_piled", [0, 15])
def test_covariance_says_how_far_off_centres_are(num_piled) -> None:
    squares = []
    for seed in (100, 101, 102, 103):
        made = table_scene(TableConfig(seed=seed, num_piled=num_piled))
        frame = made.frame(seed % 30)
        (world_from_base,) = made.static_transforms
        (base_from_camera,) = frame.transforms
        truth = transform_boxes(frame.truth, (world_from_base @ base_from_camera).inverse())
        finder = DepthDetector(DepthDetectorConfig(), Journal())
        boxes = finder.detect(frame.depth, frame.camera).boxes
        label = finder.segment(frame.depth, frame.camera)
        for row, one in enumerate(frame.track_ids):
            mask = (frame.pixel_ids == one) & np.isfinite(frame.depth.depth_m)
            common = np.bincount(label[mask], minlength=len(boxes) + 1)[1:]
            best = int(common.argmax())
            if mask.sum() < 400 or common[best] < 0.7 * max(mask.sum(), (label == best + 1).sum()):
                continue
            miss = boxes.center_m[best] - truth.center_m[row]
            squares.append(miss @ np.linalg.solve(boxes.covariance[best, :3, :3], miss))
    assert len(squares) > 20
    # of so few, 90 % may be 78 %
    assert np.mean(np.array(squares) < LIKELY_90) >= 0.78
    assert 0.45 <= np.mean(np.array(squares) < LIKELY_50) <= 0.88  # nor is it simply wide


@pytest.mark.parametrize(
    ("factor", "reason"),
    [
        pytest.param(1000, Reason.DEPTH_IMPLAUSIBLE, id="millimetres_as_metres"),
        pytest.param(0.001, Reason.DEPTH_IMPLAUSIBLE, id="metres_divided_by_1000"),
        pytest.param(30, Reason.NO_VALID_POINTS, id="too_far"),
        pytest.param(np.nan, Reason.NO_VALID_POINTS, id="no_depth_at_all"),
        pytest.param(np.inf, Reason.NO_VALID_POINTS, id="all_infinite"),
        pytest.param(0, Reason.NO_VALID_POINTS, id="all_zero"),
    ],
)
def test_unusable_depth_has_a_reason(image, camera, factor, reason) -> None:
    journal = Journal()
    with np.errstate(invalid="ignore"):
        odd = replace(image, depth_m=(image.depth_m * factor).astype(np.float32))
    found = detect(odd, camera, journal)
    assert (len(found.boxes), len(found.xyz_m)) == (0, 0)
    assert journal.counts == {reason: 1}
    finder = DepthDetector(DepthDetectorConfig(), Journal())
    assert (finder.segment(odd, camera) == 0).all()


def test_empty_cloud_has_a_reason() -> None:
    journal = Journal()
    finder = DepthDetector(DepthDetectorConfig(), journal)
    assert finder.segment_organised(np.empty((0, 5, 3), np.float32)).shape == (0, 5)
    assert journal.counts == {Reason.EMPTY_IMAGE: 1}


def test_empty_table_is_a_true_answer(scene, camera, look) -> None:
    journal = Journal()
    bare, _ = scene.photograph([scene.table], camera, look, noise=1.0)
    assert len(detect(bare, camera, journal).boxes) == 0
    assert set(journal.counts) <= {Reason.CLUSTER_TOO_SMALL, Reason.FLYING_PIXELS}


def test_flying_pixels_are_counted(image, camera) -> None:
    journal = Journal()
    depth_m = image.depth_m.copy()
    depth_m[100:140, 320:], depth_m[100:140, 319] = 0.5, 0.75
    detect(replace(image, depth_m=depth_m), camera, journal)
    assert journal.counts[Reason.FLYING_PIXELS] >= 35


def test_small_things_are_counted_and_stay_as_points(scene, camera, look) -> None:
    journal = Journal()
    crumb = box((0.03, 0.03, 0.03), scene.paint).moved(0, 0, 0.015)
    small, body = scene.photograph([scene.table, crumb], camera, look)
    found = detect(small, camera, journal, min_points=5000)
    assert len(found.boxes) == 0
    assert journal.counts == {Reason.CLUSTER_TOO_SMALL: 1}
    assert len(found.xyz_m) == pytest.approx((body == 1).sum(), rel=0.25)
    assert (found.box_of_point == -1).all()


def test_without_support_the_camera_is_taken_to_be_level(scene, camera, look) -> None:
    things = [
        box((0.1, 0.1, 0.1), scene.paint).moved(0, y_m, 0.05, rotation=turn(2, 0.3))
        for y_m in (-0.2, 0.2)
    ]
    floating, _ = scene.photograph(things, camera, look, noise=1.0)
    journal = Journal()
    boxes = detect(floating, camera, journal).boxes
    assert len(boxes) == 2
    assert journal.counts == {Reason.NO_SUPPORT: 1}
    for quat in boxes.quat_xyzw:
        np.testing.assert_allclose(matrix_from_quat(quat)[:, 2], [0, -1, 0], atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 5), (9, 4)])
@pytest.mark.parametrize("cell_px", [1, 2, 8])
def test_tiny_images_do_no_harm(scene, shape, cell_px) -> None:
    rng = np.random.default_rng(0)
    depth_m = rng.uniform(0.2, 5.0, shape).astype(np.float32)
    tiny = DepthImage(frame_id="camera", stamp_ns=0, depth_m=depth_m)
    found = detect(tiny, scene.camera(shape[1], shape[0], 50.0), cell_px=cell_px, min_points=4)
    assert np.isfinite(found.xyz_m).all()
    assert np.isfinite(found.boxes.covariance).all()


def test_wrong_frame_and_size_are_errors(image, camera) -> None:
    with pytest.raises(FrameMismatchError, match="depth image"):
        detect(replace(image, frame_id="other"), camera)
    with pytest.raises(ShapeError, match=r"\[480, 640\]"):
        detect(replace(image, depth_m=image.depth_m[::2]), camera)


def test_range_of_depth_is_checked() -> None:
    with pytest.raises(ConfigError, match="min_depth_m"):
        DepthDetectorConfig(min_depth_m=5.0, max_depth_m=2.0)
