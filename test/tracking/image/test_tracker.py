"""What the image tracker does over frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import Detections2D, TrackState
from perception_stack.errors import ConfigError, FrameMismatchError
from perception_stack.journal import Journal, Reason
from perception_stack.tracking.image.config import ImageTrackerConfig
from perception_stack.tracking.image.tracker import ImageTracker


def run(frames, **parameters):
    tracker = ImageTracker(ImageTrackerConfig(**parameters), Journal())
    return [tracker.update(frame) for frame in frames]


def test_a_sure_detection_is_listed_at_once_and_keeps_its_identity(tracker, make_detections):
    lists = [
        tracker.update(make_detections((100 + 8 * i, 50), stamp_s=0.1 * i)) for i in range(10)
    ]
    assert {one.ids for one in lists} == {lists[0].ids}
    assert len(lists[0]) == 1
    last = lists[-1]
    assert last.labels == ("car",)
    assert last.state[0] == TrackState.CONFIRMED
    assert last.num_detections[0] == 10
    np.testing.assert_allclose(last.xyxy_px, [[142, 30, 202, 70]], atol=1.0)
    np.testing.assert_allclose(last.velocity_px, [[80, 0]], atol=8.0)


def test_before_any_detection_there_is_an_empty_list(tracker, make_detections):
    objects = tracker.update(make_detections(stamp_s=1.0))
    assert (len(objects), objects.labels, objects.ids) == (0, (), ())
    assert (objects.stamp_ns, objects.frame_id) == (1_000_000_000, "camera")


def test_empty_frames_age_tracks(tracker, make_detections):
    for i in range(10):
        tracker.update(make_detections((100, 50), stamp_s=0.1 * i))
    states = [tracker.update(make_detections(stamp_s=1.0 + 0.1 * i)) for i in range(20)]
    assert states[0].state.tolist() == [TrackState.COASTING]
    assert len(states[-1]) == 0
    existence = [one.score[0] for one in states if len(one)]
    assert existence == sorted(existence, reverse=True)


def test_a_thing_comes_back_as_itself_after_a_gap(tracker, make_detections):
    for i in range(15):
        before = tracker.update(make_detections((100 + 5 * i, 50), stamp_s=0.1 * i))
    for i in range(15, 20):
        tracker.update(make_detections(stamp_s=0.1 * i))
    for i in range(20, 22):
        after = tracker.update(make_detections((100 + 5 * i, 50), stamp_s=0.1 * i))
    assert after.ids == before.ids
    assert after.num_detections[0] == 17


def test_weak_detections_keep_tracks_and_start_none(make_detections):
    journal = Journal()
    tracker = ImageTracker(ImageTrackerConfig(), journal)
    for i in range(30):
        weak = 10 <= i < 20
        places = [(100 + 4 * i, 50), (400, 50)] if weak else [(100 + 4 * i, 50)]
        objects = tracker.update(
            make_detections(*places, stamp_s=0.1 * i, score=0.4 if weak else 0.95)
        )
    assert objects.num_detections.tolist() == [30]
    assert journal.counts == {Reason.BELOW_THRESHOLD: 10}


def test_identity_survives_a_flickering_class(tracker, make_detections):
    ids = set()
    for i in range(20):
        label = "van" if i in (7, 12) else "car"
        objects = tracker.update(make_detections((100, 50), stamp_s=0.1 * i, label=label))
        ids |= set(objects.ids)
        assert objects.labels == ("car",)
    assert len(ids) == 1
    np.testing.assert_allclose(objects.class_probs.sum(axis=1), 1.0)


def test_things_that_cross_keep_their_identities(tracker, make_detections):
    for i in range(30):
        objects = tracker.update(
            make_detections((100 + 10 * i, 100), (400 - 10 * i, 108), stamp_s=0.1 * i)
        )
        if i == 0:
            left, right = (objects.ids[k] for k in np.argsort(objects.xyxy_px[:, 0]))
    assert [objects.ids[k] for k in np.argsort(objects.xyxy_px[:, 0])] == [right, left]


@pytest.mark.parametrize("turn_px", [15.0, 40.0])
def test_a_camera_that_turns_suddenly_loses_nothing(tracker, make_detections, turn_px):
    """By up to more than the width of the boxes, in one frame."""
    places = np.array([[100, 100], [250, 120], [420, 90], [600, 110]], dtype=float)
    ids = set()
    for i in range(20):
        shift = turn_px if i >= 10 else 0.0
        objects = tracker.update(
            make_detections(*(places + np.array([shift, 0])), stamp_s=0.1 * i, size_px=(30, 80))
        )
        ids |= set(objects.ids)
        assert len(objects) == 4
    assert len(ids) == 4


def test_a_car_that_leaves_is_not_listed_beyond_the_border(make_detections):
    config = ImageTrackerConfig(image_width_px=640, image_height_px=480)
    tracker = ImageTracker(config, Journal())
    for i in range(30):
        frame = make_detections((480 + 10 * i, 200), stamp_s=0.1 * i, size_px=(100, 60))
        frame = replace(frame, xyxy_px=np.clip(frame.xyxy_px, 0, [640, 480, 640, 480]))
        if frame.xyxy_px[0, 0] >= 635:
            frame = make_detections(stamp_s=0.1 * i)
        objects = tracker.update(frame)
        assert (objects.xyxy_px[:, 2] <= 640).all()
    assert len(objects) == 0


def test_a_second_box_of_one_thing_starts_nothing(make_detections):
    journal = Journal()
    tracker = ImageTracker(ImageTrackerConfig(), journal)
    for i in range(10):
        places = [(100, 50)] if i < 5 else [(100, 50), (103, 51)]
        objects = tracker.update(make_detections(*places, stamp_s=0.1 * i))
    assert len(objects) == 1
    assert journal.counts[Reason.DUPLICATE] == 5


def test_stamps_that_jump_back_start_anew(make_detections):
    journal = Journal()
    tracker = ImageTracker(ImageTrackerConfig(), journal)
    first = tracker.update(make_detections((100, 50), stamp_s=10.0))
    assert tracker.update(make_detections((100, 50), stamp_s=10.0)) is None
    assert tracker.update(make_detections((100, 50), stamp_s=9.5)) is None
    again = tracker.update(make_detections((100, 50), stamp_s=1.0))
    assert journal.counts == {Reason.STALE_STAMP: 2, Reason.STAMP_JUMP: 1}
    assert "back by 9.000 s" in journal.last(Reason.STAMP_JUMP).detail
    assert again.ids != first.ids


def test_two_cameras_are_not_mixed(tracker, make_detections):
    tracker.update(make_detections((100, 50)))
    with pytest.raises(FrameMismatchError):
        tracker.update(make_detections((100, 50), stamp_s=0.1, frame_id="other"))


def test_impossible_boxes_are_counted_and_harm_nothing(make_detections):
    journal = Journal()
    tracker = ImageTracker(ImageTrackerConfig(), journal)
    good = make_detections((100, 50), (300, 50))
    for i, (column, value) in enumerate([(0, np.nan), (2, np.inf), (2, 0.0), (3, -5.0)]):
        boxes = good.xyxy_px.copy()
        boxes[1, column] = value
        objects = tracker.update(replace(good, stamp_ns=i * 100_000_000, xyxy_px=boxes))
    wrong_score = replace(good, stamp_ns=10**9, score=np.array([0.9, 1.5]))
    objects = tracker.update(wrong_score)
    assert len(objects) == 1
    assert np.isfinite(objects.xyxy_px).all()
    assert journal.counts == {Reason.NON_FINITE_BOXES: 5}


def test_more_things_than_there_was_room_for(tracker, make_detections):
    places = [(100 * x, 100 * y) for x in range(1, 21) for y in range(1, 21)]
    for i in range(3):
        objects = tracker.update(make_detections(*places, stamp_s=0.1 * i))
    assert len(objects) == len(places)
    assert len(set(objects.ids)) == len(places)
    np.testing.assert_allclose(objects.class_probs, 1.0)


def test_tentative_things_are_listed_on_demand(make_detections):
    frames = [make_detections((100, 50), stamp_s=0.1 * i, score=0.6) for i in range(2)]
    assert len(run(frames)[0]) == 0
    assert run(frames, publish_tentative=True)[0].state.tolist() == [TrackState.TENTATIVE]


def assert_same(first, second):
    assert first.ids == second.ids
    for name in ("xyxy_px", "score", "class_probs", "state", "velocity_px", "last_seen_ns"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_same_input_same_output(random_frames):
    frames = random_frames(3, num_frames=30)
    for first, second in zip(run(frames), run(frames), strict=True):
        assert_same(first, second)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_detections_does_not_matter(random_frames, seed, random):
    frames = random_frames(seed)
    mixed = []
    for frame in frames:
        order = list(range(len(frame)))
        random.shuffle(order)
        mixed.append(
            Detections2D(
                frame_id=frame.frame_id,
                stamp_ns=frame.stamp_ns,
                xyxy_px=frame.xyxy_px[order],
                score=frame.score[order],
                labels=tuple(frame.labels[i] for i in order),
            )
        )
    for first, second in zip(run(frames), run(mixed), strict=True):
        assert_same(first, second)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 2.0, 4.0]))
def test_nothing_depends_on_the_resolution(random_frames, seed, scale):
    """Powers of two, so that only the two pixels of the border and rounding could tell."""
    frames = random_frames(seed)
    larger = [replace(one, xyxy_px=scale * (one.xyxy_px + 500)) for one in frames]
    frames = [replace(one, xyxy_px=one.xyxy_px + 500) for one in frames]
    for first, second in zip(run(frames), run(larger), strict=True):
        assert first.ids == second.ids
        np.testing.assert_allclose(scale * first.xyxy_px, second.xyxy_px, rtol=1e-6)
        np.testing.assert_allclose(first.score, second.score, rtol=1e-6)


_edges = st.tuples(
    st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), st.floats(1e-3, 1e5), st.floats(1e-3, 1e5)
)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 1_000, 40_000_000, 100_000_000, 10**10, 10**13]),
            st.lists(st.tuples(_edges, st.floats(0, 1)), max_size=6),
        ),
        max_size=12,
    )
)
def test_whatever_comes_the_list_is_finite(frames):
    tracker = ImageTracker(ImageTrackerConfig(publish_tentative=True), Journal())
    stamp_ns = 0
    for step_ns, things in frames:
        stamp_ns += step_ns
        boxes = np.array([box for box, _ in things]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        objects = tracker.update(
            Detections2D(
                frame_id="camera",
                stamp_ns=stamp_ns,
                xyxy_px=boxes,
                score=np.array([score for _, score in things]),
                labels=("car",) * len(things),
            )
        )
        for name in ("xyxy_px", "score", "class_probs", "velocity_px"):
            assert np.isfinite(getattr(objects, name)).all(), name
        assert (objects.xyxy_px[:, :2] < objects.xyxy_px[:, 2:]).all()
        assert len(set(objects.ids)) == len(objects)


def test_confirming_must_be_above_removing():
    with pytest.raises(ConfigError, match="remove_existence"):
        ImageTrackerConfig(remove_existence=0.9, confirm_existence=0.8)
