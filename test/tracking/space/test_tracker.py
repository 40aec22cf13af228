from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D, TrackedObjects, TrackState
from perception_stack.errors import ConfigError, FrameMismatchError
from perception_stack.geometry.transforms import yaw_from_quat
from perception_stack.journal import Journal, Reason
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.tracker import Tracker


def tracker(journal: Journal | None = None, **params) -> Tracker:
    return Tracker(TrackerConfig(**params), journal or Journal())


def run(one: Tracker, frames: list[Boxes3D]) -> list[TrackedObjects]:
    results = [one.update(boxes) for boxes in frames]
    assert None not in results
    return results


def test_no_frame_with_detections_gives_empty_lists():
    results = run(
        tracker(), [Boxes3D.empty(frame_id="odom", stamp_ns=i * 10**8) for i in range(5)]
    )
    assert [len(one) for one in results] == [0] * 5
    assert [one.stamp_ns for one in results] == [i * 10**8 for i in range(5)]
    assert results[0].frame_id == "odom"


def test_one_object_is_found_followed_and_forgotten(make_boxes):
    frames = [make_boxes((i * 0.5, 2, 0), stamp_s=i * 0.1, score=0.8) for i in range(20)]
    frames += [make_boxes(stamp_s=i * 0.1) for i in range(20, 50)]
    results = run(tracker(publish_tentative=True), frames)
    states = [TrackState(one.state[0]) if len(one) else None for one in results]
    changes = [s for i, s in enumerate(states) if i == 0 or s != states[i - 1]]
    assert changes == [TrackState.TENTATIVE, TrackState.CONFIRMED, TrackState.COASTING, None]
    assert len({one.ids[0] for one in results if len(one)}) == 1
    last = results[19]
    np.testing.assert_allclose(last.velocity_mps[0], [5, 0, 0], atol=0.1)
    np.testing.assert_allclose(last.boxes.center_m[0], [9.5, 2, 0], atol=0.05)
    assert last.num_detections[0] == 20
    assert last.boxes.sensors == (("lidar",),)
    assert last.orientation_known[0]
    assert not last.stationary[0]
    coasting = results[21]
    assert coasting.boxes.sensors == ((),)
    assert coasting.last_seen_ns[0] == 1_900_000_000
    np.testing.assert_allclose(coasting.boxes.center_m[0], [10.5, 2, 0], atol=0.1)
    assert coasting.boxes.score[0] < last.boxes.score[0]


def test_tentative_objects_are_listed_only_when_asked_for(make_boxes):
    boxes = make_boxes((1, 2, 3), score=0.6)
    assert len(tracker().update(boxes)) == 0
    assert tracker(publish_tentative=True).update(boxes).state.tolist() == [TrackState.TENTATIVE]


def test_a_standing_object_is_stationary_and_its_uncertainty_shrinks(make_boxes):
    frames = [make_boxes((3, 4, 0), stamp_s=i * 0.1) for i in range(30)]
    results = run(tracker(publish_tentative=True), frames)
    assert results[-1].stationary[0]
    first, last = results[0].boxes.covariance[0], results[-1].boxes.covariance[0]
    assert np.linalg.det(last) < np.linalg.det(first)
    assert np.linalg.eigvalsh(last)[0] > 0


def test_turn_rate_is_estimated(make_boxes):
    frames = [make_boxes((0, 0, 0), stamp_s=i * 0.1, yaw_rad=0.05 * i) for i in range(80)]
    last = run(tracker(), frames)[-1]
    assert last.angular_velocity_radps[0, 2] == pytest.approx(0.5, abs=0.03)
    yaw_rad = yaw_from_quat(last.boxes.quat_xyzw)[0]
    assert np.cos(yaw_rad - 0.05 * 79) == pytest.approx(1, abs=0.001)


def test_cups_on_a_table_are_tracked_with_the_same_parameters(make_boxes):
    size = (0.08, 0.08, 0.1)
    frames = [
        make_boxes(
            (0.5 + 0.01 * i, 0.0, 0.8), (0.5, 0.3, 0.8), stamp_s=i / 30, size_m=size, sigma_m=0.003
        )
        for i in range(40)
    ]
    last = run(tracker(), frames)[-1]
    assert len({one.ids for one in run(tracker(), frames)[5:]}) == 1
    order = np.argsort(last.boxes.center_m[:, 1])
    np.testing.assert_allclose(last.velocity_mps[order[0]], [0.3, 0, 0], atol=0.02)
    assert last.stationary[order].tolist() == [False, True]


def test_weak_detections_keep_objects_but_start_none(make_boxes):
    def after(weak: list[tuple[float, float, float]]) -> tuple[TrackedObjects, Journal]:
        journal = Journal()
        one = tracker(journal, publish_tentative=True, list_existence=0.5, strong_score=0.3)
        for i in range(10):
            one.update(make_boxes((0, 0, 0), stamp_s=i * 0.1))
        for i in range(10, 13):
            result = one.update(make_boxes(*weak, stamp_s=i * 0.1, score=0.25))
        return result, journal

    kept, journal = after([(0, 0, 0), (20, 0, 0)])
    lost, _ = after([])
    assert kept.num_detections.tolist() == [13]
    assert kept.state.tolist() == [TrackState.CONFIRMED]
    assert kept.boxes.score[0] > lost.boxes.score[0]
    assert journal.counts == {Reason.BELOW_THRESHOLD: 3}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("center_m", np.nan, id="nan_center"),
        pytest.param("center_m", np.inf, id="infinite_center"),
        pytest.param("quat_xyzw", 0.0, id="no_rotation"),
        pytest.param("quat_xyzw", np.nan, id="nan_rotation"),
        pytest.param("size_lwh_m", 0.0, id="no_size"),
        pytest.param("size_lwh_m", -1.0, id="negative_size"),
        pytest.param("score", np.nan, id="nan_score"),
        pytest.param("score", 1.5, id="score_above_one"),
        pytest.param("covariance", np.nan, id="nan_covariance"),
        pytest.param("covariance", -1.0, id="covariance_not_positive"),
        pytest.param("class_probs", np.nan, id="nan_class"),
    ],
)
def test_unusable_rows_are_counted_and_do_no_harm(make_boxes, field, value):
    def frames(bad: bool) -> list[Boxes3D]:
        result = []
        for i in range(6):
            boxes = make_boxes((0.1 * i, 0, 0), (10, 0, 0), stamp_s=i * 0.1)
            array = getattr(boxes, field).copy()
            array[1] = value
            result.append(replace(boxes, **{field: array}) if bad else boxes.rows(np.array([0])))
        return result

    journal = Journal()
    with_bad = run(tracker(journal), frames(True))
    without = run(tracker(), frames(False))
    assert journal.counts == {Reason.NON_FINITE_BOXES: 6}
    for a, b in zip(with_bad, without, strict=True):
        assert a.ids == b.ids
        np.testing.assert_array_equal(a.boxes.center_m, b.boxes.center_m)


def test_boxes_of_another_frame_are_refused(make_boxes):
    with pytest.raises(FrameMismatchError, match="expected frame 'odom', got 'velodyne'"):
        tracker().update(make_boxes((0, 0, 0), frame_id="velodyne"))


@pytest.mark.parametrize("back_s", [0.0, 0.05, 1.0])
def test_old_frames_are_left_out_and_counted(make_boxes, back_s):
    journal = Journal()
    one = tracker(journal, publish_tentative=True)
    before = one.update(make_boxes((0, 0, 0), stamp_s=10))
    assert one.update(make_boxes((5, 5, 0), stamp_s=10 - back_s)) is None
    after = one.update(make_boxes((0, 0, 0), stamp_s=10.1))
    assert journal.counts == {Reason.STALE_STAMP: 1}
    assert after.ids == before.ids


def test_a_bag_that_loops_starts_anew(make_boxes):
    frames = [make_boxes((i * 0.1, 0, 0), stamp_s=10 + i * 0.1) for i in range(15)]
    journal = Journal()
    one = tracker(journal)
    first = run(one, frames)
    again = run(one, frames)
    assert journal.counts == {Reason.STAMP_JUMP: 1}
    assert [r.ids for r in first] == [r.ids for r in again]
    np.testing.assert_array_equal(first[-1].boxes.center_m, again[-1].boxes.center_m)


def test_the_vocabulary_grows_and_stays_sorted(make_boxes):
    one = tracker()
    boxes = make_boxes((0, 0, 0))
    assert one.update(boxes).boxes.classes == ("car", "pedestrian", "unknown")
    other = replace(
        boxes, stamp_ns=10**8, classes=("bus", "car"), class_probs=np.array([[0.0, 1.0]])
    )
    result = one.update(other)
    assert result.boxes.classes == ("bus", "car", "pedestrian", "unknown")
    assert result.boxes.labels == ("car",)
    assert result.boxes.class_probs.sum(axis=1) == pytest.approx(1)


def test_results_are_not_changed_by_later_frames(make_boxes):
    one = tracker(publish_tentative=True)
    first = one.update(make_boxes((0, 0, 0)))
    kept = first.boxes.center_m.copy(), first.boxes.covariance.copy()
    one.update(make_boxes((0.5, 0, 0), stamp_s=0.1))
    np.testing.assert_array_equal(first.boxes.center_m, kept[0])
    np.testing.assert_array_equal(first.boxes.covariance, kept[1])


def test_removal_above_confirmation_is_refused():
    with pytest.raises(ConfigError, match="remove_existence"):
        TrackerConfig(remove_existence=0.95)


def test_nothing_is_compiled_after_the_warm_up_however_the_arrays_lie(make_boxes):
    """Decoders give columns of wider tables, and arrays that may not be written to."""
    from perception_stack.tracking.space import (
        association,
        births,
        clock,
        evidence,
        listing,
        measurements,
        motion,
    )

    loops = (
        measurements.prepared,
        clock.lengthened,
        motion.moved,
        association.associate,
        clock.set_to_detections,
        evidence.learn,
        births.worth_a_track,
        births.joined,
        listing.columns,
    )
    one = tracker()
    one.warm_up()
    before = [len(loop.signatures) for loop in loops]
    assert min(before) > 0
    boxes = make_boxes((0, 0, 0), (10, 0, 0))
    names = ("center_m", "quat_xyzw", "size_lwh_m", "covariance", "score", "class_probs")
    strided = {}
    for name in names:
        column = getattr(boxes, name)
        wide = np.concatenate([column, column], axis=-1)
        strided[name] = wide[..., : column.shape[-1]] if column.ndim > 1 else wide[::2]
    frozen = {name: getattr(boxes, name).copy() for name in names}
    for array in frozen.values():
        array.flags.writeable = False
    one.update(replace(boxes, **strided))
    one.update(replace(boxes, stamp_ns=10**8, **frozen))
    one.predicted(1.0)
    assert [len(loop.signatures) for loop in loops] == before
