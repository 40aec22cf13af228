"""What must not matter to the tracker, over random streets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import Boxes3D, TrackedObjects
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat, quat_from_yaw
from perception_stack.journal import Journal
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.tracker import Tracker

SEEDS = st.integers(0, 2**16)


def run(frames: list[Boxes3D]) -> list[TrackedObjects]:
    tracker = Tracker(TrackerConfig(publish_tentative=True), Journal())
    return [tracker.update(boxes) for boxes in frames]


def numbers(objects: TrackedObjects) -> dict[str, np.ndarray]:
    """Everything that is said of the objects, as numbers."""
    boxes = objects.boxes
    return {
        "center": boxes.center_m,
        "quat": boxes.quat_xyzw,
        "size": boxes.size_lwh_m,
        "covariance": boxes.covariance,
        "existence": boxes.score,
        "class_probs": boxes.class_probs,
        "state": objects.state,
        "velocity": objects.velocity_mps,
        "turn": objects.angular_velocity_radps,
        "twist_covariance": objects.twist_covariance,
        "size_covariance": objects.size_covariance,
        "known": objects.orientation_known,
        "stationary": objects.stationary,
        "num": objects.num_detections,
        "seen": objects.last_seen_ns,
    }


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, data=st.data())
def test_the_order_of_detections_does_not_matter(random_frames, seed, data):
    frames = random_frames(seed)
    shuffled = [
        boxes.rows(np.array(data.draw(st.permutations(range(len(boxes)))), dtype=np.intp))
        for boxes in frames
    ]
    for a, b in zip(run(frames), run(shuffled), strict=True):
        assert a.ids == b.ids
        assert a.boxes.sensors == b.boxes.sensors
        for name, values in numbers(a).items():
            np.testing.assert_array_equal(values, numbers(b)[name], err_msg=name)


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_the_order_of_class_names_does_not_matter(random_frames, seed):
    frames = random_frames(seed)
    turned = [
        replace(boxes, classes=boxes.classes[::-1], class_probs=boxes.class_probs[:, ::-1])
        for boxes in frames
    ]
    for a, b in zip(run(frames), run(turned), strict=True):
        assert a.ids == b.ids
        assert a.boxes.classes == b.boxes.classes
        np.testing.assert_array_equal(a.boxes.class_probs, b.boxes.class_probs)


@settings(max_examples=8, deadline=None)
@given(
    seed=SEEDS,
    yaw_rad=st.floats(-np.pi, np.pi),
    shift=st.tuples(*[st.floats(-1000, 1000)] * 3),
)
def test_the_fixed_frame_may_be_moved(random_frames, seed, yaw_rad, shift):
    move = RigidTransform.from_quat(
        target="odom",
        source="odom",
        quat_xyzw=quat_from_yaw(yaw_rad),
        translation_m=np.array(shift),
    )
    turn = move.rotation
    frames = random_frames(seed)
    for a, b in zip(run(frames), run([transform_boxes(one, move) for one in frames]), strict=True):
        expected = transform_boxes(a.boxes, move)
        # births are numbered by place, so only identities of one frame may trade names
        order = np.lexsort(expected.center_m.T)
        other = np.lexsort(b.boxes.center_m.T)
        close = {"rtol": 1e-9, "atol": 1e-9}
        expected, got = expected.rows(order), b.boxes.rows(other)
        np.testing.assert_allclose(got.center_m, expected.center_m, rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(
            matrix_from_quat(got.quat_xyzw), matrix_from_quat(expected.quat_xyzw), **close
        )
        np.testing.assert_allclose(got.size_lwh_m, expected.size_lwh_m, **close)
        np.testing.assert_allclose(got.covariance, expected.covariance, **close)
        np.testing.assert_allclose(got.score, expected.score, **close)
        np.testing.assert_allclose(got.class_probs, expected.class_probs, **close)
        np.testing.assert_allclose(b.velocity_mps[other], a.velocity_mps[order] @ turn.T, **close)
        assert (b.state[other] == a.state[order]).all()
        assert (b.stationary[other] == a.stationary[order]).all()
        assert (b.num_detections[other] == a.num_detections[order]).all()


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, scale=st.floats(0.01, 10))
def test_the_unit_of_length_does_not_matter(random_frames, seed, scale):
    def scaled(boxes: Boxes3D) -> Boxes3D:
        unit = np.array([scale] * 3 + [1.0] * 3)
        return replace(
            boxes,
            center_m=boxes.center_m * scale,
            size_lwh_m=boxes.size_lwh_m * scale,
            covariance=boxes.covariance * unit[:, None] * unit,
        )

    frames = random_frames(seed)
    for a, b in zip(run(frames), run([scaled(one) for one in frames]), strict=True):
        assert a.ids == b.ids
        np.testing.assert_allclose(b.boxes.center_m, a.boxes.center_m * scale, rtol=1e-7)
        np.testing.assert_allclose(
            b.velocity_mps, a.velocity_mps * scale, rtol=1e-7, atol=1e-9 * scale
        )
        np.testing.assert_allclose(b.boxes.score, a.boxes.score, rtol=1e-7)


@settings(max_examples=6, deadline=None)
@example(seed=3157, num_extra=3)
@given(seed=SEEDS, num_extra=st.integers(1, 6))
def test_the_rate_of_empty_frames_does_not_matter(random_frames, seed, num_extra):
    frames = random_frames(seed)
    end_ns = frames[-1].stamp_ns
    stamps_ns = [end_ns + 100_000_000, end_ns + 200_000_000]
    slow = [Boxes3D.empty(frame_id="odom", stamp_ns=stamp) for stamp in stamps_ns]
    step_ns = 200_000_000 // (2 * num_extra)
    fast = [
        Boxes3D.empty(frame_id="odom", stamp_ns=end_ns + step_ns * i)
        for i in range(1, 2 * num_extra)
    ] + slow[1:]
    a, b = run(frames + slow)[-1], run(frames + fast)[-1]
    assert a.ids == b.ids
    for name, values in numbers(a).items():
        # a step takes the noise that belongs to the speed at its beginning
        rtol = 1e-3 if name.endswith("covariance") else 1e-6
        np.testing.assert_allclose(values, numbers(b)[name], rtol=rtol, atol=1e-6, err_msg=name)


def test_the_same_input_gives_the_same_bytes(random_frames):
    first, second = run(random_frames(7)), run(random_frames(7))
    for a, b in zip(first, second, strict=True):
        assert a.ids == b.ids
        for name, values in numbers(a).items():
            assert values.tobytes() == numbers(b)[name].tobytes(), name


@pytest.mark.parametrize("seed", range(3))
def test_identities_are_unique_within_a_frame(random_frames, seed):
    for objects in run(random_frames(seed)):
        assert len(set(objects.ids)) == len(objects)
