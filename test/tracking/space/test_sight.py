from __future__ import annotations

import numpy as np
import pytest

from perception_stack.journal import Journal
from perception_stack.tracking.space.births import births
from perception_stack.tracking.space.config import TrackerConfig, numbers
from perception_stack.tracking.space.evidence import Passage, after_boxes
from perception_stack.tracking.space.measurements import measurements_from_boxes
from perception_stack.tracking.space.sight import Sight, write_seen_share
from perception_stack.tracking.space.tracker import Tracker
from perception_stack.tracking.space.tracks import no_tracks

PARAMETERS = numbers(TrackerConfig())
VOCABULARY = ("car", "pedestrian", "unknown")
FROM_ORIGIN = Sight(origin_m=np.zeros(3), ahead=np.array([1.0, 0.0, 0.0]))


def read(boxes):
    return measurements_from_boxes(
        boxes, vocabulary=VOCABULARY, parameters=PARAMETERS, journal=Journal()
    )


def born(boxes):
    return births(no_tracks(len(VOCABULARY)), read(boxes), stamp_ns=0, parameters=PARAMETERS)


def share_of_last(boxes, sight=FROM_ORIGIN, hides=True) -> float:
    tracks = born(boxes)
    tracks = tracks.with_values(confirmed=hides)
    last = int(np.argmax(tracks["center_m"][:, 0]))
    share = np.ones(len(tracks))
    asked = np.arange(len(tracks)) == last
    write_seen_share(tracks.table, asked, sight.numbers, share, PARAMETERS[0])
    return float(share[last])


def test_a_box_right_behind_a_larger_one_is_hidden(make_boxes):
    assert share_of_last(make_boxes((10, 0, 0), (20, 0, 0))) == 0
    assert share_of_last(make_boxes((10, 0, 0), (20, 0, 0)), hides=False) == 1


def test_a_box_beside_another_is_seen(make_boxes):
    assert share_of_last(make_boxes((10, 5, 0), (20, 0, 0))) == 1


def test_half_of_a_box_shows_behind_another(make_boxes):
    # the near one ends at the line of sight to the middle of the far one
    share = share_of_last(make_boxes((10, 0.95, 0), (20, 0, 0), size_m=(0.5, 1.8, 1.5)))
    assert 0.4 < share < 0.7


@pytest.mark.parametrize(("y_m", "seen"), [(0.0, 1.0), (30.0, 0.0)])
def test_outside_of_the_field_of_view_nothing_is_seen(make_boxes, y_m, seen):
    narrow = Sight(
        origin_m=np.zeros(3), ahead=np.array([1.0, 0.0, 0.0]), half_angle_rad=np.deg2rad(40)
    )
    assert share_of_last(make_boxes((20, y_m, 0)), narrow) == seen


def existence_after_a_gap(make_boxes, car_x_m: float) -> float:
    """Of a person 15 m ahead who is no longer detected, with a car somewhere."""
    tracker = Tracker(TrackerConfig(), Journal())
    for i in range(20):
        places = [(car_x_m, 0, 0)] + [(15, 0, 0)] * (i < 15)
        boxes = make_boxes(*places, stamp_s=i * 0.1, size_m=(2.0, 2.0, 2.0))
        tracker.update(boxes, sight=FROM_ORIGIN)
    person = int(np.argmin(np.abs(tracker.known.tracks["center_m"][:, 0] - 15)))
    return float(tracker.known.tracks["log_odds"][person])


def test_what_is_hidden_is_not_missed(make_boxes):
    behind_a_car, beside_one = (existence_after_a_gap(make_boxes, x) for x in (8.0, 25.0))
    assert behind_a_car > beside_one + 1.0


def test_what_was_hidden_for_seconds_comes_back_as_itself(make_boxes):
    tracker = Tracker(TrackerConfig(), Journal())
    ids = []
    for i in range(60):
        boxes = make_boxes(
            (10, 3, 0), *[(15, 0, 0)] * (not 20 <= i < 45), stamp_s=i * 0.1, size_m=(1.0, 1.0, 1.7)
        )
        objects = tracker.update(boxes, sight=FROM_ORIGIN)
        ids.append(
            {one for one, x in zip(objects.ids, objects.boxes.center_m, strict=True) if x[0] > 13}
        )
    assert len(ids[44]) == 0
    assert ids[19] == ids[59] != set()


def test_a_side_that_was_not_seen_moves_with_the_size(make_boxes):
    # of a car known well only the rear is seen: taken for short, its rear must stay where it is
    tracks = born(make_boxes((10, 0, 0), sigma_m=0.01))
    short = read(make_boxes((9.5, 0, 0), size_m=(3.0, 1.8, 1.5), sigma_m=0.01))
    precise = numbers(TrackerConfig(precise_scale=1.0, outlier_scale=1.0))
    for sight, nearest in ((FROM_ORIGIN, True), (None, False)):
        passage = Passage(stamp_ns=0, dt_s=0.0, looked_s=0.0, vocabulary=VOCABULARY)
        after = after_boxes(tracks, short, np.array([0]), passage, precise, sight=sight)
        rear_m = after["center_m"][0, 0] - 0.5 * after["size_lwh_m"][0, 0]
        assert (abs(rear_m - 8.0) < 0.06) == nearest
