"""Detections of a camera without depth, in the list of things in space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import Detections2D, TrackedObjects
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.boxes import project_boxes, transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason
from perception_stack.tracking.space.births import births
from perception_stack.tracking.space.camera_view import CameraView, lifted, rectangles_of
from perception_stack.tracking.space.config import TrackerConfig, numbers
from perception_stack.tracking.space.evidence import Passage
from perception_stack.tracking.space.history import Frame
from perception_stack.tracking.space.image_evidence import after_image, look
from perception_stack.tracking.space.measurements import measurements_from_boxes
from perception_stack.tracking.space.tracker import Tracker
from perception_stack.tracking.space.tracks import no_tracks

CONFIG = TrackerConfig()
PARAMETERS = numbers(CONFIG)
VOCABULARY = ("car", "pedestrian", "unknown")
CAMERA = CameraModel.pinhole(
    frame_id="camera",
    width_px=1200,
    height_px=400,
    k=np.array([[700.0, 0.0, 600.0], [0.0, 700.0, 180.0], [0.0, 0.0, 1.0]]),
)
# 1.5 m above the origin, looking along x
CAMERA_FROM_ODOM = RigidTransform(
    target="camera",
    source="odom",
    rotation=np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]),
    translation_m=np.array([0.0, 1.5, 0.0]),
)


def view(xyxy_px=(), *, label="car", score=0.9, stamp_s=0.0, classes=("car", "pedestrian")):
    boxes_px = np.array(xyxy_px, dtype=np.float64).reshape(-1, 4)
    return CameraView(
        detections=Detections2D(
            frame_id="camera",
            stamp_ns=round(stamp_s * 1e9),
            xyxy_px=boxes_px,
            score=np.full(len(boxes_px), score),
            labels=(label,) * len(boxes_px),
        ),
        camera=CAMERA,
        camera_from_fixed=CAMERA_FROM_ODOM,
        classes=classes,
    )


def seen_by_camera(boxes, **values) -> CameraView:
    """What a camera detects of boxes."""
    xyxy_px, shown = project_boxes(transform_boxes(boxes, CAMERA_FROM_ODOM), CAMERA)
    return view(xyxy_px[shown], stamp_s=boxes.stamp_ns * 1e-9, **values)


def born(boxes):
    found = measurements_from_boxes(
        boxes, vocabulary=VOCABULARY, parameters=PARAMETERS, journal=Journal()
    )
    return births(no_tracks(len(VOCABULARY)), found, stamp_ns=0, parameters=PARAMETERS)


def ids(objects: TrackedObjects | None) -> set:
    assert objects is not None
    return set(objects.ids)


@settings(max_examples=30, deadline=None)
@given(
    x_m=st.floats(8, 60),
    bearing=st.floats(-0.4, 0.4),
    yaw_rad=st.floats(-3, 3),
)
def test_tracks_appear_where_their_boxes_project_to(make_boxes, x_m, bearing, yaw_rad):
    boxes = make_boxes((x_m, bearing * x_m, 1.4), yaw_rad=yaw_rad)
    tracks, edges = born(boxes), np.empty((1, 4))
    place = np.ascontiguousarray(CAMERA_FROM_ODOM.rotation), CAMERA_FROM_ODOM.translation_m
    borders = np.array([-1.0, -1.0, 1.0, 1.0])
    shown = look(tracks.table, (*place, borders), edges, np.empty((1, 4, 3)), np.empty((1, 4)))
    expected_px, _ = project_boxes(transform_boxes(boxes, CAMERA_FROM_ODOM), CAMERA)
    inside = (expected_px[0] > 1) & (expected_px[0] < [1198, 398, 1198, 398])
    got_px = edges[0] * 700.0 + [600, 180, 600, 180]
    assert shown[0]
    np.testing.assert_allclose(got_px[inside], expected_px[0][inside], atol=1e-6)


def test_the_update_is_that_of_the_textbook(make_boxes):
    tracks = born(make_boxes((20, 1, 1.0), sigma_m=0.5))
    truth = make_boxes((20.0, 1.3, 1.1))
    seen = seen_by_camera(truth)
    found = rectangles_of(seen, VOCABULARY)
    passage = Passage(stamp_ns=0, dt_s=0.0, looked_s=0.0, vocabulary=VOCABULARY)
    after, chosen, _ = after_image(tracks, found, seen, passage, PARAMETERS)
    assert chosen.tolist() == [0]

    edges, slopes, spread = np.empty((1, 4)), np.empty((1, 4, 3)), np.empty((1, 4))
    place = np.ascontiguousarray(CAMERA_FROM_ODOM.rotation), CAMERA_FROM_ODOM.translation_m
    look(tracks.table, (*place, np.array([-1.0, -1.0, 1.0, 1.0])), edges, slopes, spread)
    high = edges[0, 3] - edges[0, 1]
    measure = np.hstack([slopes[0], np.zeros((4, 12))])
    noise = np.diag((CONFIG.edge_noise * high) ** 2 + spread[0])
    prior = tracks["covariance"][0]
    gain = prior @ measure.T @ np.linalg.inv(measure @ prior @ measure.T + noise)
    step = gain @ (found.edges[0] - edges[0])
    np.testing.assert_allclose(after["center_m"][0], tracks["center_m"][0] + step[:3], atol=1e-9)
    np.testing.assert_allclose(
        after["covariance"][0], (np.eye(15) - gain @ measure) @ prior, atol=1e-9
    )
    # across the line of sight it comes nearer to the truth
    before, now = (abs(one["center_m"][0, 1] - 1.3) for one in (tracks, after))
    assert now < 0.5 * before


@pytest.mark.parametrize(("with_camera", "stays"), [(True, True), (False, False)])
def test_what_the_lidar_lost_the_camera_keeps(make_boxes, with_camera, stays):
    tracker, first = Tracker(CONFIG, Journal()), set()
    for i in range(30):
        truth = make_boxes((15 + 0.3 * i, 1, 0.8), stamp_s=i * 0.1)
        objects = tracker.update(truth if i < 12 else truth.rows(np.empty(0, dtype=np.intp)))
        if with_camera:
            objects = tracker.update_image(seen_by_camera(truth))
        if i == 11:
            first = ids(objects)
    assert len(first) == 1
    assert (ids(objects) == first) == stays
    if stays:
        assert objects.boxes.center_m[0, 0] == pytest.approx(15 + 0.3 * 29, rel=0.1)
        assert objects.boxes.sensors == (("camera",),)


def test_both_sensors_are_named_that_saw_it(make_boxes):
    tracker, truth = Tracker(CONFIG, Journal()), make_boxes((15, 1, 0.8))
    for i in range(5):
        now = replace(truth, stamp_ns=i * 10**8)
        tracker.update(now)
        objects = tracker.update_image(seen_by_camera(now))
    assert objects is not None
    assert objects.boxes.sensors == (("camera", "lidar"),)


def test_a_detection_without_a_track_starts_one_at_the_usual_distance(make_boxes):
    truth = make_boxes((25, 2, 0.8), size_m=(4.2, 1.75, 1.6))
    seen = seen_by_camera(truth)
    box = lifted(rectangles_of(seen, VOCABULARY), seen, VOCABULARY, CONFIG)
    assert len(box) == 1
    offset = truth.center_m[0] - box["center_m"][0]
    assert np.linalg.norm(offset) < 3.0
    assert offset @ np.linalg.inv(box["noise"][0, :3, :3]) @ offset < 6.25  # 90 %
    along = box["center_m"][0] - np.array([0.0, 0.0, 1.5])
    along /= np.linalg.norm(along)
    spread = box["noise"][0, :3, :3]
    assert along @ spread @ along > 50 * np.linalg.eigvalsh(spread)[0]


def test_the_lidar_finds_what_the_camera_found_first(make_boxes):
    tracker, seen = Tracker(CONFIG, Journal()), set()
    for i in range(20):
        truth = make_boxes((30 - 0.5 * i, 1, 0.8), size_m=(4.2, 1.75, 1.6), stamp_s=i * 0.1)
        objects = tracker.update(truth if i > 9 else truth.rows(np.empty(0, dtype=np.intp)))
        objects = tracker.update_image(seen_by_camera(truth))
        seen |= ids(objects)
    assert len(seen) == 1
    assert objects is not None
    np.testing.assert_allclose(objects.boxes.center_m[0], [20.5, 1, 0.8], atol=0.3)


def test_what_is_cut_off_by_the_border_starts_nothing():
    seen = view([(0, 100, 120, 300), (300, 150, 500, 399), (500, 100, 700, 300)])
    box = lifted(rectangles_of(seen, VOCABULARY), seen, VOCABULARY, CONFIG)
    assert len(box) == 1
    assert (
        len(
            lifted(
                rectangles_of(view([(500, 100, 700, 300)], label="unknown"), VOCABULARY),
                seen,
                VOCABULARY,
                CONFIG,
            )
        )
        == 0
    )


def test_the_border_of_the_image_is_no_edge_of_the_object(make_boxes):
    # half of the car is left of the image
    truth = make_boxes((8, 6.2, 0.8), yaw_rad=1.57)
    tracks = born(truth)
    seen = seen_by_camera(truth)
    found = rectangles_of(seen, VOCABULARY)
    assert found.inside[0].tolist() == [False, True, True, True]
    passage = Passage(stamp_ns=0, dt_s=0.0, looked_s=0.0, vocabulary=VOCABULARY)
    after, chosen, _ = after_image(tracks, found, seen, passage, PARAMETERS)
    assert chosen.tolist() == [0]
    np.testing.assert_allclose(after["center_m"][0], truth.center_m[0], atol=1e-6)


def log_odds_after_misses(make_boxes, num_images: int, **values) -> float:
    tracker = Tracker(CONFIG, Journal())
    for i in range(10):
        tracker.update(make_boxes((15, 1, 0.8), stamp_s=i * 0.1))
        tracker.update_image(
            view(stamp_s=i * 0.1, **values)
            if i < num_images
            else view(stamp_s=i * 0.1, classes=("mug",))
        )
    return float(tracker.known.tracks["log_odds"][0])


def test_a_camera_cannot_miss_what_it_does_not_know(make_boxes):
    blind = log_odds_after_misses(make_boxes, 10, classes=("pedestrian",))
    assert log_odds_after_misses(make_boxes, 0) == pytest.approx(blind, abs=1e-3)
    assert log_odds_after_misses(make_boxes, 10) < blind - 0.2


def test_the_order_of_rectangles_does_not_matter(make_boxes):
    truth = make_boxes((12, 3, 0.8), (18, -3, 0.8), (25, 0, 0.8))
    seen = seen_by_camera(truth)
    turned = replace(
        seen, detections=replace(seen.detections, xyxy_px=seen.detections.xyxy_px[::-1].copy())
    )
    lists = []
    for one in (seen, turned):
        tracker = Tracker(CONFIG, Journal())
        tracker.update(truth)
        lists.append(tracker.update_image(one))
    assert lists[0].ids == lists[1].ids
    assert np.array_equal(lists[0].boxes.center_m, lists[1].boxes.center_m)


@pytest.mark.parametrize("late_frame", [5, 8, 13])
def test_a_late_image_counts_as_if_it_had_been_in_time(make_boxes, late_frame):
    config = TrackerConfig(reorder_horizon_s=1.0)
    frames = []
    for i in range(8):
        truth = make_boxes((15 + 0.3 * i, 1, 0.8), (20, -4, 0.8), stamp_s=i * 0.1)
        frames += [Frame(seen=truth), Frame(seen=seen_by_camera(truth))]
    in_time, late = Tracker(config, Journal()), Tracker(config, Journal())
    for frame in frames:
        expected = in_time.take(frame)
    for frame in frames[:late_frame] + frames[late_frame + 1 :]:
        late.take(frame)
    got = late.take(frames[late_frame])
    assert got.ids == expected.ids
    assert np.array_equal(got.boxes.center_m, expected.boxes.center_m)
    assert np.array_equal(got.boxes.score, expected.boxes.score)


def test_boxes_after_the_image_of_their_stamp_are_late(make_boxes):
    journal = Journal()
    tracker, truth = Tracker(CONFIG, journal), make_boxes((15, 1, 0.8))
    assert tracker.update_image(seen_by_camera(truth)) is not None
    assert tracker.update(truth) is None
    assert journal.counts == {Reason.STALE_STAMP: 1}


@pytest.mark.parametrize(
    "xyxy_px",
    [(500, 100, 400, 200), (400, 200, 500, 200), (400, 100, np.nan, 200), (400, 100, 500, np.inf)],
)
def test_impossible_rectangles_are_counted_and_do_no_harm(xyxy_px):
    journal = Journal()
    tracker = Tracker(CONFIG, journal)
    assert len(tracker.update_image(view([xyxy_px]))) == 0
    assert journal.counts == {Reason.NON_FINITE_BOXES: 1}
    assert len(tracker.known.tracks) == 0


def test_a_camera_in_another_frame_is_refused():
    elsewhere = replace(CAMERA_FROM_ODOM, source="map")
    with pytest.raises(FrameMismatchError, match="odom"):
        Tracker(CONFIG, Journal()).update_image(replace(view(), camera_from_fixed=elsewhere))
    with pytest.raises(FrameMismatchError, match="camera"):
        replace(view(), camera_from_fixed=replace(CAMERA_FROM_ODOM, target="other"))


def test_the_gate_of_an_image_is_a_probability():
    from scipy.stats import chi2

    assert PARAMETERS["image_gate"] == pytest.approx(chi2.ppf(CONFIG.gate_probability, 4))
