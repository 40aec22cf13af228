from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import expm

from perception_stack.datatypes import Boxes3D
from perception_stack.journal import Journal
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.history import Frame
from perception_stack.tracking.space.smoothing import FixedLagSmoother, smoothed
from perception_stack.tracking.space.tracker import Tracker

CONFIG = TrackerConfig.for_calibrated_scores()


def run(frames: list[Boxes3D], config=CONFIG):
    given = [Frame(seen=boxes) for boxes in frames]
    return [one.objects for one in smoothed(given, config, Journal())]


def noisy_drive(make_boxes, seed: int, *, missing: range = range(0)) -> list[Boxes3D]:
    rng = np.random.default_rng(seed)
    frames = []
    for i in range(40):
        place = np.array([0.6 * i, 0.005 * i**2, 0]) + rng.normal(0, 0.1, 3)
        frames.append(make_boxes(*[place] * (i not in missing), stamp_s=i * 0.1, yaw_rad=0.1))
    return frames


def test_positions_are_those_of_least_squares(make_boxes):
    """Place along one axis, by the normal equations of the whole recording at once."""
    frames = noisy_drive(make_boxes, 3)
    config = TrackerConfig(
        acceleration_per_speed=0.0,
        size_change=1e-6,
        gate_probability=0.999999,
        precise_scale=1.0,
        outlier_scale=1.0,
        stamp_noise_s=1e-5,
    )
    results = run(frames, config)
    size_m = float(np.linalg.norm([4.0, 1.8, 1.5]))
    noise = 0.1**2 + (config.position_noise_per_size * size_m) ** 2
    num, dt, memory_s = len(frames), 0.1, config.acceleration_memory_s
    # Van Loan 1978
    flow, density = np.diag([1.0, 1.0], 1), np.zeros((3, 3))
    flow[2, 2] = -1 / memory_s
    density[2, 2] = 2 / memory_s * (config.acceleration_per_size * size_m) ** 2
    both = expm(dt * np.block([[-flow, density], [np.zeros((3, 3)), flow.T]]))
    transition = both[3:, 3:].T
    process = np.linalg.inv(transition @ both[:3, 3:])
    step = np.hstack([-transition, np.eye(3)])
    info, right = np.zeros((3 * num, 3 * num)), np.zeros(3 * num)
    for i in range(num - 1):
        info[3 * i : 3 * i + 6, 3 * i : 3 * i + 6] += step.T @ process @ step
    for i, boxes in enumerate(frames):
        info[3 * i, 3 * i] += 1 / noise
        right[3 * i] += boxes.center_m[0, 0] / noise
    info[1, 1] += 1 / (config.speed_per_size * size_m) ** 2
    info[2, 2] += 1 / (config.acceleration_per_size * size_m) ** 2
    expected = np.linalg.solve(info, right)
    got = [objects.boxes.center_m[0, 0] for objects in results]
    np.testing.assert_allclose(got, expected[::3], atol=1e-6)
    variance = np.linalg.inv(info).diagonal()[::3]
    np.testing.assert_allclose(
        [objects.boxes.covariance[0, 0, 0] for objects in results], variance, rtol=1e-4
    )


def test_hindsight_is_nearer_to_the_truth(make_boxes):
    errors = {"online": [], "smoothed": []}
    for seed in range(5):
        frames = noisy_drive(make_boxes, seed)
        tracker = Tracker(CONFIG, Journal())
        for name, results in (
            ("online", [tracker.update(boxes) for boxes in frames]),
            ("smoothed", run(frames)),
        ):
            for i, objects in enumerate(results):
                if len(objects):
                    truth = np.array([0.6 * i, 0.005 * i**2, 0])
                    errors[name].append(np.linalg.norm(objects.boxes.center_m[0] - truth))
    rms = {name: np.sqrt(np.mean(np.square(values))) for name, values in errors.items()}
    assert rms["smoothed"] < 0.7 * rms["online"]


def test_an_object_is_listed_from_its_first_detection_and_through_gaps(make_boxes):
    frames = noisy_drive(make_boxes, 0, missing=range(15, 28))
    frames = [replace(boxes, score=np.full(len(boxes), 0.4)) for boxes in frames]
    results = run(frames)
    assert [len(objects) for objects in results] == [1] * 40
    assert len({objects.ids for objects in results}) == 1
    middle = results[21].boxes.center_m[0]
    np.testing.assert_allclose(middle, [0.6 * 21, 0.005 * 21**2, 0], atol=0.4)


def test_what_was_there_for_a_moment_only_is_left_out(make_boxes):
    frames = noisy_drive(make_boxes, 0)
    for i in (10, 11, 12):
        frames[i] = make_boxes(frames[i].center_m[0], (0, 30, 0), stamp_s=i * 0.1)
    assert max(len(objects) for objects in run(frames)) == 1


def test_the_box_is_named_as_in_the_end(make_boxes):
    # the detector holds the side for the front; motion tells later
    frames = [
        make_boxes(
            (0.8 * i, 0, 0),
            stamp_s=i * 0.1,
            yaw_rad=np.pi / 2,
            size_m=(1.8, 4.0, 1.5),
            sigma_yaw_rad=2.2,
        )
        for i in range(20)
    ]
    for objects in run(frames):
        np.testing.assert_allclose(objects.boxes.size_lwh_m[0], [4.0, 1.8, 1.5], rtol=0.02)


def test_no_frames_give_no_lists():
    assert run([]) == []


def lagged(frames: list[Boxes3D], lag_s: float, config=CONFIG):
    smoother = FixedLagSmoother(config, Journal(), lag_s=lag_s)
    settled = [smoother.take(Frame(seen=boxes)) for boxes in frames]
    return settled, smoother.flush()


def test_a_lag_longer_than_the_recording_is_the_whole_recording(make_boxes):
    frames = noisy_drive(make_boxes, 5, missing=range(15, 19))
    settled, rest = lagged(frames, 9.0)
    assert not any(settled)
    whole = run(frames)
    assert [one.objects.stamp_ns for one in rest] == [one.stamp_ns for one in whole]
    for one, other in zip(rest, whole, strict=True):
        np.testing.assert_allclose(one.objects.boxes.center_m, other.boxes.center_m, atol=1e-9)


def test_each_frame_is_listed_once_as_old_as_the_lag(make_boxes):
    frames = noisy_drive(make_boxes, 6)
    settled, rest = lagged(frames, 0.5)
    for i, lists in enumerate(settled):
        assert [one.objects.stamp_ns for one in lists] == [frames[i - 5].stamp_ns] * (i >= 5)
    assert [one.objects.stamp_ns for one in rest] == [one.stamp_ns for one in frames[-5:]]


def test_the_longer_the_lag_the_nearer_to_the_truth(make_boxes):
    def error_m(lag_s: float) -> float:
        squares = []
        for seed in range(8):
            settled, rest = lagged(noisy_drive(make_boxes, seed), lag_s)
            lists = [one.objects for each in [*settled, rest] for one in each]
            for i, objects in enumerate(lists[10:30], start=10):
                squares.append(objects.boxes.center_m[0, :2] - [0.6 * i, 0.005 * i**2])
        return float(np.sqrt(np.mean(np.square(squares))))

    assert error_m(1.0) < 0.9 * error_m(0.1)


def test_a_bag_that_loops_begins_anew(make_boxes):
    frames = noisy_drive(make_boxes, 7)
    settled, rest = lagged([*frames, *frames], 0.5)
    stamps = [one.objects.stamp_ns for each in settled[len(frames) :] for one in each]
    assert stamps == [one.stamp_ns for one in frames[:-5]]
    assert len(rest) == 5
