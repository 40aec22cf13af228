"""Faults that other trackers are known for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D, TrackedObjects
from perception_stack.geometry.transforms import quat_from_yaw, quat_multiply, yaw_from_quat
from perception_stack.journal import Journal
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.tracker import Tracker


def run(frames: list[Boxes3D], **params) -> list[TrackedObjects]:
    tracker = Tracker(TrackerConfig(**params), Journal())
    return [tracker.update(boxes) for boxes in frames]


def ids_of(results: list[TrackedObjects]) -> set:
    return {one for objects in results for one in objects.ids}


def test_a_track_does_not_die_of_certainty(make_boxes):
    # hundreds of exact detections, then an acceleration that the model allows for
    still = [make_boxes((0, 0, 0), stamp_s=i * 0.01, sigma_m=0.0) for i in range(800)]
    times = np.arange(1, 200) * 0.01
    moving = [make_boxes((0.5 * 4.0 * t**2, 0, 0), stamp_s=7.99 + t, sigma_m=0.0) for t in times]
    # stamps are exact, too: a single thing that speeds up looks like a clock that runs ahead
    results = run(still + moving, publish_tentative=True, stamp_noise_s=1e-5)
    assert len(ids_of(results)) == 1
    assert results[-1].num_detections.tolist() == [999]
    assert results[-1].velocity_mps[0, 0] == pytest.approx(4.0 * times[-1], abs=0.6)


def test_the_class_may_flicker(make_boxes):
    labels = ["car", "car", "pedestrian"] * 10
    frames = [
        make_boxes((i * 0.2, 0, 0), stamp_s=i * 0.1, label=label) for i, label in enumerate(labels)
    ]
    results = run(frames)
    assert len(ids_of(results)) == 1
    assert {one.boxes.labels for one in results[3:]} == {("car",)}


def test_an_unknown_thing_takes_on_the_class_that_is_seen_later(make_boxes):
    unknown = [
        replace(
            make_boxes((0, 0, 0), stamp_s=i * 0.1),
            classes=("unknown",),
            class_probs=np.ones((1, 1)),
        )
        for i in range(5)
    ]
    known = [make_boxes((0, 0, 0), stamp_s=0.5 + i * 0.1) for i in range(5)]
    results = run(unknown + known)
    assert len(ids_of(results)) == 1
    assert results[4].boxes.labels == ("unknown",)
    assert results[-1].boxes.labels == ("car",)


def test_one_bad_size_does_not_stay(make_boxes):
    frames = [make_boxes((0, 0, 0), stamp_s=i * 0.1) for i in range(20)]
    frames[15] = make_boxes((0, 0, 0), stamp_s=1.5, size_m=(1.0, 0.5, 0.4))
    results = run(frames)
    assert len(ids_of(results)) == 1
    for objects in results[15:]:
        np.testing.assert_allclose(objects.boxes.size_lwh_m[0], [4.0, 1.8, 1.5], rtol=0.2)


@pytest.mark.parametrize("gap_m", [0.5, 1.0])
def test_two_that_cross_keep_their_identities(make_boxes, gap_m):
    size = (0.6, 0.6, 1.7)
    frames = [
        make_boxes(
            (-3 + 0.15 * i, -gap_m / 2, 0),
            (3 - 0.15 * i, gap_m / 2, 0),
            stamp_s=i * 0.1,
            size_m=size,
            label="pedestrian",
        )
        for i in range(41)
    ]
    results = run(frames)
    assert len(ids_of(results)) == 2
    first, last = results[5], results[-1]
    lower_first = first.ids[int(np.argmin(first.boxes.center_m[:, 1]))]
    lower_last = last.ids[int(np.argmin(last.boxes.center_m[:, 1]))]
    assert lower_first == lower_last


def test_a_detector_that_flips_does_not_flip_the_track(make_boxes):
    flips = np.random.default_rng(0).random(60) < 0.15
    flips[:3] = False
    frames = [
        make_boxes((0, 0, 0), stamp_s=i * 0.1, yaw_rad=0.3 + np.pi * flip)
        for i, flip in enumerate(flips)
    ]
    for objects in run(frames)[2:]:
        assert yaw_from_quat(objects.boxes.quat_xyzw)[0] == pytest.approx(0.3, abs=0.05)
        assert abs(objects.angular_velocity_radps[0, 2]) < 0.2


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_motion_tells_the_front_where_only_the_axes_are_known(make_boxes, quarters):
    heading = 0.4
    size = (4.0, 1.8, 1.5) if quarters % 2 == 0 else (1.8, 4.0, 1.5)
    frames = [
        make_boxes(
            (0.8 * i * np.cos(heading), 0.8 * i * np.sin(heading), 0),
            stamp_s=i * 0.1,
            yaw_rad=heading + quarters * np.pi / 2,
            size_m=size,
            sigma_yaw_rad=2.2,
        )
        for i in range(15)
    ]
    last = run(frames)[-1]
    assert yaw_from_quat(last.boxes.quat_xyzw)[0] == pytest.approx(heading, abs=0.05)
    assert last.orientation_known[0]
    np.testing.assert_allclose(last.boxes.size_lwh_m[0], [4.0, 1.8, 1.5], rtol=0.02)


def test_the_heading_of_a_parked_box_without_front_is_not_claimed(make_boxes):
    rng = np.random.default_rng(1)
    frames = [
        make_boxes(rng.normal(0, 0.1, 3), stamp_s=i * 0.1, sigma_yaw_rad=2.2) for i in range(50)
    ]
    known = [objects.orientation_known[0] for objects in run(frames)[2:]]
    assert np.mean(known) < 0.1


def test_dropped_frames_do_not_spoil_the_velocity(make_boxes):
    kept = [i for i in range(40) if i % 7 not in (3, 4)]
    frames = [make_boxes((i * 1.0, 0, 0), stamp_s=i * 0.1) for i in kept]
    results = run(frames)
    assert len(ids_of(results)) == 1
    assert results[-1].velocity_mps[0, 0] == pytest.approx(10, abs=0.1)


def test_nothing_is_remembered_through_a_long_gap(make_boxes):
    before = [make_boxes((i * 0.5, 0, 0), stamp_s=i * 0.1) for i in range(20)]
    after = [make_boxes((30, 10, 0), stamp_s=60 + i * 0.1) for i in range(5)]
    results = run(before + after, publish_tentative=True)
    assert not ids_of(results[:20]) & ids_of(results[20:])
    assert [len(one) for one in results[20:]] == [1] * 5


def test_one_body_reported_as_two_classes_is_one_object(make_boxes):
    frames = [make_boxes((0, 0, 0), stamp_s=0)]
    frames += [
        make_boxes((0, 0, 0), (0.1, 0, 0), stamp_s=i * 0.1, label=("car", "pedestrian"))
        for i in range(1, 10)
    ]
    results = run(frames, publish_tentative=True)
    assert [len(one) for one in results] == [1] * 10
    assert len(ids_of(results)) == 1


def test_a_box_on_its_side_is_set_upright(make_boxes):
    # as a camera gives it: x right, y down, z ahead
    quat = np.array([[-0.5, 0.5, -0.5, 0.5]])
    optical = replace(
        make_boxes((0, 0, 0)), quat_xyzw=quat, size_lwh_m=np.array([[1.8, 1.5, 4.0]])
    )
    turned = replace(optical, quat_xyzw=quat_multiply(quat_from_yaw(np.array([0.3])), quat))
    for boxes in (optical, turned):
        objects = run([boxes], publish_tentative=True)[0]
        np.testing.assert_allclose(objects.boxes.size_lwh_m[0, 2], 1.5)
        np.testing.assert_allclose(np.sort(objects.boxes.size_lwh_m[0]), [1.5, 1.8, 4.0])


def test_a_thing_on_top_of_another_is_not_taken_for_it(make_boxes):
    size = (0.2, 0.2, 0.2)
    frames = [
        make_boxes((0, 0, 0.1), (0, 0, 0.3), stamp_s=i * 0.1, size_m=size, sigma_m=0.005)
        for i in range(10)
    ]
    frames += [
        make_boxes((0, 0, 0.3), stamp_s=i * 0.1, size_m=size, sigma_m=0.005) for i in range(10, 12)
    ]
    results = run(frames)
    upper = [objects.boxes.center_m[:, 2].max() for objects in results[3:]]
    np.testing.assert_allclose(upper, 0.3, atol=0.01)
    assert len(ids_of(results)) == 2
