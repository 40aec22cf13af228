"""Stamps that are off, told by all that moves."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.datatypes import Detections2D
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal
from perception_stack.tracking.space.camera_view import CameraView
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.motion import transition
from perception_stack.tracking.space.tracker import Tracker

SPEEDS_MPS = np.array([25.0, -20.0, 15.0, -30.0])


def places(seconds: float) -> list[tuple[float, float, float]]:
    """Four cars in four lanes."""
    return [(20.0 * i + v * seconds, 8.0 * i, 0.0) for i, v in enumerate(SPEEDS_MPS)]


def drive(
    make_boxes, *, config: TrackerConfig, jitter_s: float = 0.0, irregular_s: float = 0.0
) -> tuple[float, float, Tracker]:
    """Mean distance of cars from where they were when detected; and of their velocities."""
    tracker, rng = Tracker(config, Journal()), np.random.default_rng(2)
    far_m, fast_mps = [], []
    for i in range(80):
        made_s = i * 0.1 + rng.uniform(-irregular_s, irregular_s)
        stamp_s = made_s + rng.uniform(-jitter_s, jitter_s)
        noisy = np.array(places(made_s)) + rng.normal(0, 0.05, (4, 3))
        boxes = make_boxes(*noisy, stamp_s=max(stamp_s, 0.0), sigma_m=0.05)
        objects = tracker.update(boxes)
        if i > 40:
            offset = objects.boxes.center_m[None] - np.array(places(made_s))[:, None]
            distance_m = np.linalg.norm(offset, axis=2)
            nearest = np.argmin(distance_m, axis=1)
            far_m.append(distance_m.min(axis=1).mean())
            fast_mps.append(np.abs(objects.velocity_mps[nearest, 0] - SPEEDS_MPS).mean())
    return float(np.mean(far_m)), float(np.mean(fast_mps)), tracker


def test_stamps_of_a_regular_sensor_may_be_off(make_boxes):
    good, good_mps, _ = drive(make_boxes, config=TrackerConfig())
    jittered, jittered_mps, tracker = drive(make_boxes, jitter_s=0.04, config=TrackerConfig())
    assert jittered < good + 0.02
    assert jittered_mps < good_mps + 1.0
    assert tracker.known.clocks[""].state["period_s"] == pytest.approx(0.1, abs=0.001)


def test_frames_at_no_regular_rate_are_taken_as_their_stamps_say(make_boxes):
    good, good_mps, _ = drive(make_boxes, config=TrackerConfig())
    irregular, irregular_mps, tracker = drive(make_boxes, irregular_s=0.04, config=TrackerConfig())
    assert irregular < good + 0.02
    assert irregular_mps < good_mps + 1.0
    assert tracker.known.clocks[""].ahead_s == 0


def test_cars_are_listed_where_they_were_seen_whatever_the_stamp(make_boxes):
    """Motion tells when the frames were made, where neither stamps nor a rate do."""
    off = {"jitter_s": 0.025, "irregular_s": 0.025}
    good, good_mps, _ = drive(make_boxes, config=TrackerConfig())
    found, found_mps, _ = drive(make_boxes, **off, config=TrackerConfig())
    trusted, trusted_mps, _ = drive(make_boxes, **off, config=TrackerConfig(stamp_noise_s=1e-5))
    assert found < 0.5 * trusted
    assert found_mps < trusted_mps
    assert found < good + 0.1
    assert found_mps < good_mps + 1.5


def test_a_rate_that_changes_is_followed(make_boxes):
    tracker, x_m, stamp_s = Tracker(TrackerConfig(), Journal()), 0.0, 0.0
    for dt_s in [0.1] * 30 + [0.05] * 60 + [0.2] * 60:
        stamp_s += dt_s
        x_m += dt_s * 20.0
        objects = tracker.update(make_boxes((x_m, 0, 0), stamp_s=stamp_s))
        assert objects.boxes.center_m[:, 0] == pytest.approx(x_m, abs=0.1)
    assert objects.velocity_mps[0, 0] == pytest.approx(20.0, abs=0.1)


def test_frames_that_are_lost_do_not_change_the_rate(make_boxes):
    tracker, rng = Tracker(TrackerConfig(), Journal()), np.random.default_rng(1)
    for i in range(200):
        if i < 25 or rng.random() > 0.3:
            stamp_s = i * 0.1 + rng.uniform(-0.01, 0.01)
            tracker.update(make_boxes((2.0 * i, 0, 0), stamp_s=max(stamp_s, 0.0)))
    assert tracker.known.clocks[""].state["period_s"] == pytest.approx(0.1, abs=0.001)


@pytest.mark.parametrize("jitter_s", [0.0, 0.04])
def test_what_stamps_are_like_is_learned(make_boxes, jitter_s):
    _, _, tracker = drive(make_boxes, jitter_s=jitter_s, config=TrackerConfig())
    sigma_s = np.sqrt(tracker.known.clocks[""].state["of_stamps"][0, 1])
    if jitter_s == 0:
        assert sigma_s < 0.004
    else:
        assert sigma_s == pytest.approx(jitter_s / np.sqrt(3), rel=0.6)


def test_what_stands_tells_nothing_of_the_clock(make_boxes):
    tracker, config = Tracker(TrackerConfig(), Journal()), TrackerConfig()
    for i in range(30):
        tracker.update(make_boxes((0, 0, 0), (10, 0, 0), stamp_s=i * 0.1))
    variance_s2 = tracker.known.clocks[""].variance_s2
    assert variance_s2 == pytest.approx(config.stamp_noise_s**2, rel=0.05)
    assert abs(tracker.known.offset_s) < 1e-3


def test_one_car_that_brakes_is_not_taken_for_a_bad_clock(make_boxes):
    tracker, speed_mps, x_m = Tracker(TrackerConfig(), Journal()), 20.0, 0.0
    for i in range(60):
        speed_mps = max(speed_mps - 0.6 * (i > 30), 0.0)
        x_m += 0.1 * speed_mps
        objects = tracker.update(make_boxes((x_m, 0, 0), stamp_s=i * 0.1))
    assert objects.boxes.center_m[0, 0] == pytest.approx(x_m, abs=0.5)
    assert objects.velocity_mps[0, 0] == pytest.approx(speed_mps, abs=1.5)


def test_cars_that_all_speed_up_are_not_taken_for_a_bad_clock(make_boxes):
    tracker = Tracker(TrackerConfig(), Journal())
    for i in range(80):
        t = max(i - 30, 0) * 0.1
        x_m = 5.0 * i * 0.1 + 0.5 * 3.0 * t**2
        boxes = make_boxes(*[(x_m, 8.0 * lane, 0) for lane in range(3)], stamp_s=i * 0.1)
        objects = tracker.update(boxes)
    assert len(objects) == 3
    np.testing.assert_allclose(objects.boxes.center_m[:, 0], x_m, atol=0.5)
    np.testing.assert_allclose(objects.velocity_mps[:, 0], 5.0 + 3.0 * t, atol=1.5)


@pytest.mark.parametrize("later_s", [0.0, 0.04])
def test_an_image_takes_the_tracks_to_its_own_stamp(make_boxes, later_s):
    """Once they are there the offset of the boxes before it is used up."""
    _, _, tracker = drive(make_boxes, jitter_s=0.04, config=TrackerConfig())
    before = tracker.known
    stamp_ns = before.stamp_ns + round(later_s * 1e9)
    nothing = Detections2D.empty(frame_id="camera", stamp_ns=stamp_ns)
    camera = CameraModel.pinhole(
        frame_id="camera", width_px=640, height_px=480, k=np.diag([500.0, 500.0, 1.0])
    )
    place = RigidTransform(
        target="camera", source="odom", rotation=np.eye(3), translation_m=np.array([0, 0, 1e4])
    )
    tracker.update_image(
        CameraView(detections=nothing, camera=camera, camera_from_fixed=place, classes=())
    )
    step_s = 0.0 if later_s == 0 else later_s - before.offset_s
    place, _, _ = transition(step_s, TrackerConfig().acceleration_memory_s)
    expected = before.tracks["center_m"] + step_s * before.tracks["twist"][:, :3]
    expected += place * before.tracks["acceleration_mps2"]
    np.testing.assert_allclose(tracker.known.tracks["center_m"], expected, atol=1e-9)
    left_s = before.offset_s if later_s == 0 else 0.0
    assert tracker.known.offset_s == left_s
    assert before.offset_s != 0
