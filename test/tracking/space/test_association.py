from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from perception_stack.journal import Journal
from perception_stack.tracking.common.assignment import assign_in_stages
from perception_stack.tracking.space.association import associate, pair_costs
from perception_stack.tracking.space.births import births
from perception_stack.tracking.space.config import TrackerConfig, numbers
from perception_stack.tracking.space.measurements import Measurements, measurements_from_boxes
from perception_stack.tracking.space.tracks import Tracks, no_tracks

CONFIG = TrackerConfig()
PARAMETERS = numbers(CONFIG)
WIDE = CONFIG.outlier_scale**2
VOCABULARY = ("car", "pedestrian", "unknown")


def read(boxes) -> Measurements:
    return measurements_from_boxes(
        boxes, vocabulary=VOCABULARY, parameters=PARAMETERS, journal=Journal()
    )


def born(boxes) -> Tracks:
    return births(no_tracks(len(VOCABULARY)), read(boxes), stamp_ns=0, parameters=PARAMETERS)


def chosen_by(tracks: Tracks, found: Measurements) -> np.ndarray:
    return associate(
        (tracks.table, tracks.class_probs),
        (found.table, found.class_probs),
        VOCABULARY.index("unknown"),
        0.0,
        PARAMETERS,
    )


def pairs(track_boxes, detection_boxes) -> dict[tuple, tuple]:
    """Position of each track that got a detection, and that of the detection."""
    tracks, found = born(track_boxes), read(detection_boxes)
    chosen = chosen_by(tracks, found)
    return {
        tuple(tracks["center_m"][i]): tuple(found["center_m"][j])
        for i, j in enumerate(chosen)
        if j >= 0
    }


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), num_rows=st.integers(0, 4), num_columns=st.integers(0, 4))
def test_assignment_is_the_cheapest_of_all(seed, num_rows, num_columns):
    rng = np.random.default_rng(seed)
    table = np.where(
        rng.random((num_rows, num_columns)) < 0.6, -rng.random((num_rows, num_columns)), 0.0
    )
    rows, columns = np.nonzero(table)
    first = np.searchsorted(rows, np.arange(num_rows + 1))
    chosen = assign_in_stages((first, columns, table[rows, columns]), np.ones(num_columns), 0.5)
    got = np.flatnonzero(chosen >= 0), chosen[chosen >= 0]
    assert len(set(got[1])) == len(got[1])
    # every way to give each row a column or one of as many blanks
    wide = np.hstack([table, np.zeros((num_rows, num_rows))])
    best = min(
        (
            sum(wide[i, j] for i, j in enumerate(choice))
            for choice in permutations(range(wide.shape[1]), num_rows)
        ),
        default=0.0,
    )
    assert table[got].sum() == pytest.approx(best)


@pytest.mark.parametrize(("factor", "matched"), [(0.99, True), (1.01, False)])
def test_the_gate_is_a_probability(make_boxes, factor, matched):
    # sides and classes agree, so only the gate decides
    noise = read(make_boxes((0, 0, 0)))["noise"][0, 0, 0]
    limit_m = np.sqrt(chi2.ppf(CONFIG.gate_probability, 3) * (1 + WIDE) * noise)
    found = pairs(make_boxes((0, 0, 0)), make_boxes((factor * limit_m, 0, 0)))
    assert bool(found) == matched


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_pair_within_the_gate_is_overlooked(random_frames, seed):
    first, second = random_frames(seed, num_frames=2, num_things=8)
    tracks, found = born(first), read(second)
    start, columns, _ = pair_costs(
        (tracks.table, np.ones((len(tracks), 3))),
        (found.table, np.ones((len(found), 3))),
        0.0,
        PARAMETERS[0],
    )
    rows = np.repeat(np.arange(len(tracks)), np.diff(start))
    limit = chi2.ppf(CONFIG.gate_probability, 3)
    expected = set()
    for i in range(len(tracks)):
        for j in range(len(found)):
            offset = found["center_m"][j] - tracks["center_m"][i]
            total = tracks["covariance"][i, :3, :3] + WIDE * found["noise"][j, :3, :3]
            if offset @ np.linalg.inv(total) @ offset <= limit:
                expected.add((i, j))
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == expected


def test_a_weak_detection_takes_no_track_from_a_strong_one(make_boxes):
    found = pairs(make_boxes((0, 0, 0)), make_boxes((0, 0, 0), (0.3, 0, 0), score=[0.05, 0.9]))
    assert found == {(0, 0, 0): (0.3, 0, 0)}


def test_a_weak_detection_goes_to_a_track_that_is_left(make_boxes):
    found = pairs(
        make_boxes((0, 0, 0), (5, 0, 0)),
        make_boxes((0, 0, 0), (5.1, 0, 0), score=[0.9, 0.05]),
    )
    assert found == {(0, 0, 0): (0, 0, 0), (5, 0, 0): (5.1, 0, 0)}


def test_a_track_that_could_be_anywhere_loses_against_something_new(make_boxes):
    tracks, found = born(make_boxes((0, 0, 0))), read(make_boxes((2.0, 0, 0)))
    wide = tracks.with_values(covariance=1e6 * tracks["covariance"])
    for one, num in (
        (wide, 0),
        (tracks, 0),
        (tracks.with_values(covariance=25 * tracks["covariance"]), 1),
    ):
        assert np.sum(chosen_by(one, found) >= 0) == num


def test_of_two_tracks_the_one_more_surely_there_is_seen(make_boxes):
    tracks = born(make_boxes((0, -0.1, 0), (0, 0.1, 0)))
    for log_odds in ([-2.0, 5.0], [5.0, -2.0]):
        sure = tracks.with_values(log_odds=np.array(log_odds))
        chosen = chosen_by(sure, read(make_boxes((0, 0, 0))))
        assert np.flatnonzero(chosen >= 0).tolist() == [int(np.argmax(log_odds))]


def test_the_class_decides_between_equals(make_boxes):
    found = pairs(
        make_boxes((0, 0, 0)),
        make_boxes((0.2, 0, 0), (-0.2, 0, 0), label=["pedestrian", "car"]),
    )
    assert found == {(0, 0, 0): (-0.2, 0, 0)}


def test_the_size_decides_between_equals(make_boxes):
    big, small = make_boxes((0.2, 0, 0)), make_boxes((-0.2, 0, 0), size_m=(1, 0.5, 0.5))
    both = type(big)(
        frame_id="odom",
        stamp_ns=0,
        classes=big.classes,
        sensors=big.sensors + small.sensors,
        **{
            name: np.concatenate([getattr(small, name), getattr(big, name)])
            for name in (
                "center_m",
                "quat_xyzw",
                "size_lwh_m",
                "covariance",
                "score",
                "class_probs",
            )
        },
    )
    assert pairs(make_boxes((0, 0, 0)), both) == {(0, 0, 0): (0.2, 0, 0)}


def test_no_tracks_or_no_detections_give_no_pairs(make_boxes):
    assert pairs(make_boxes(), make_boxes((0, 0, 0))) == {}
    assert pairs(make_boxes((0, 0, 0)), make_boxes()) == {}
    assert pairs(make_boxes(), make_boxes()) == {}
