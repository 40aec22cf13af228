"""Late frames, and what will be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from perception_stack.journal import Journal, Reason
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.tracker import Tracker


@pytest.mark.parametrize("seed", range(4))
def test_a_late_frame_counts_as_if_it_had_been_in_time(random_frames, seed):
    frames = random_frames(seed)
    in_order = Tracker(TrackerConfig(), Journal())
    expected = [in_order.update(boxes) for boxes in frames]
    journal = Journal()
    late = Tracker(TrackerConfig(reorder_horizon_s=0.25), journal)
    order = [0, 1, 2, 4, 5, 3, 6, 8, 7, 9, 10, 11]
    results = [late.update(frames[i]) for i in order]
    assert results[5].stamp_ns == frames[5].stamp_ns
    for got, index in ((results[5], 5), (results[8], 8), (results[11], 11)):
        assert got.ids == expected[index].ids
        np.testing.assert_array_equal(got.boxes.center_m, expected[index].boxes.center_m)
        np.testing.assert_array_equal(got.boxes.score, expected[index].boxes.score)
    assert Reason.STALE_STAMP not in journal.counts


def test_a_frame_beyond_the_horizon_is_counted_and_changes_nothing(make_boxes):
    journal = Journal()
    tracker = Tracker(TrackerConfig(reorder_horizon_s=0.25), journal)
    for i in range(10):
        tracker.update(make_boxes((0, 0, 0), stamp_s=i * 0.1))
    before = tracker.known.tracks
    assert tracker.update(make_boxes((3, 0, 0), stamp_s=0.55)) is None
    assert tracker.update(make_boxes((3, 0, 0), stamp_s=0.8)) is None  # there is one already
    assert tracker.known.tracks is before
    assert journal.counts == {Reason.STALE_STAMP: 2}


def test_what_is_predicted_is_what_the_model_says(make_boxes):
    tracker = Tracker(TrackerConfig(), Journal())
    for i in range(30):
        objects = tracker.update(make_boxes((0.5 * i, 0, 0), stamp_s=i * 0.1, sigma_m=0.05))
    later = tracker.predicted(2.0)
    assert later.ids == objects.ids
    assert later.stamp_ns == 4_900_000_000
    np.testing.assert_allclose(later.boxes.center_m[0], [24.5, 0, 0], atol=0.3)
    variance = np.trace(later.boxes.covariance[0, :3, :3])
    assert variance > 10 * np.trace(objects.boxes.covariance[0, :3, :3])


def lasting_accelerations(
    rng: np.random.Generator, deviation_mps2: float, memory_s: float, *, num: int = 50
) -> np.ndarray:
    """Places [num, 2] every 0.1 s of something whose acceleration is kept for a while."""
    fine_s = 0.01
    left = np.exp(-fine_s / memory_s)
    acceleration = rng.normal(0, deviation_mps2, 2)
    velocity, place, places = rng.normal(0, 3.0, 2), np.zeros(2), []
    for i in range(10 * num):
        if i % 10 == 0:
            places.append(place)
        place = place + fine_s * velocity
        velocity = velocity + fine_s * acceleration
        kick = rng.normal(0, deviation_mps2 * np.sqrt(1 - left**2), 2)
        acceleration = left * acceleration + kick
    return np.array(places)


def test_predictions_lie_in_their_ellipse_as_often_as_they_should(make_boxes):
    # things that accelerate as the model says, measured as stated
    config = TrackerConfig(acceleration_per_speed=0.0, position_noise_per_size=1e-4)
    rng = np.random.default_rng(5)
    size_m = float(np.linalg.norm([4.0, 1.8, 1.5]))
    inside = []
    for _ in range(60):
        place = lasting_accelerations(
            rng, config.acceleration_per_size * size_m, config.acceleration_memory_s
        )
        tracker = Tracker(config, Journal())
        for i in range(30):
            seen = [*(place[i] + rng.normal(0, 0.1, 2)), rng.normal(0, 0.1)]
            tracker.update(make_boxes(seen, stamp_s=i * 0.1))
        for steps in (5, 10, 20):
            later = tracker.predicted(steps * 0.1)
            error = later.boxes.center_m[0, :2] - place[29 + steps]
            squared = error @ np.linalg.solve(later.boxes.covariance[0, :2, :2], error)
            inside.append(squared < chi2.ppf(0.9, 2))
    assert 0.83 < np.mean(inside) < 0.96


def test_nothing_is_predicted_before_the_first_frame():
    with pytest.raises(RuntimeError, match="first frame"):
        Tracker(TrackerConfig(), Journal()).predicted(1.0)
