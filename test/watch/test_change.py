"""The sums: false alarms and delays under their own model, and what must not matter to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from perception_stack.datatypes import FloatArray
from perception_stack.watch.change import Change, Limits, limits_of
from perception_stack.watch.features import IMAGE
from perception_stack.watch.usual import Usual, learn_usual

FEATURE = replace(IMAGE[2], spread=0.1)
DELAY, RATE, NUM_FEATURES = 100, 10_000, 12


def stream(
    rng: np.random.Generator, num: int, *, memory: float = 0.8, level: float = 0.0
) -> FloatArray:
    """A level, and about it a first-order autoregression with a standard deviation of 0.1."""
    drawn = rng.standard_normal(num + 300) * np.sqrt(1 - memory**2)
    return np.asarray(level + 0.1 * np.asarray(lfilter([1.0], [1.0, -memory], drawn))[300:])


def limits(usual: Usual) -> Limits:
    return limits_of(usual, false_alarm_frames=RATE, delay_frames=DELAY, num_features=NUM_FEATURES)


def follow(change: Change, values: FloatArray) -> tuple[list[int], list[int]]:
    """Frames at which alarms begin and end."""
    begins, ends = [], []
    for i, value in enumerate(values):
        before = change.side
        change.add(float(value), i)
        if change.side and not before:
            begins.append(i)
        if before and not change.side:
            ends.append(i)
    return begins, ends


def learnt(rng: np.random.Generator, *, memory: float, num: int = 8) -> Usual:
    places = [
        stream(rng, 300, memory=memory, level=0.1 * rng.standard_normal()) for _ in range(num)
    ]
    usual = learn_usual(FEATURE, places, delay_frames=DELAY)
    assert usual is not None
    return usual


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9, 0.97])
def test_false_alarms_are_as_rare_as_promised(memory: float) -> None:
    """Of twelve features one in 10 000 frames: of one feature at most 3 in 100 000."""
    rng = np.random.default_rng(7)
    num = 0
    for _ in range(10):
        change = Change(limits(learnt(rng, memory=memory)))
        for _ in range(20):  # 500 frames each of another place
            place = stream(rng, 500, memory=memory, level=0.1 * rng.standard_normal())
            num += len(follow(change, place)[0])
    assert num <= 3


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_a_shift_is_found_in_time_and_its_end_too(memory: float) -> None:
    rng = np.random.default_rng(3)
    change = Change(limits(learnt(rng, memory=memory)))
    shift = 1.3 * change.limits.smallest_shift
    for sign in (-1, 1):
        change.reset()
        usual = change.limits.middle + stream(rng, 600, memory=memory)
        usual[200:400] += sign * shift
        begins, ends = follow(change, usual)
        assert len(begins) == len(ends) == 1
        assert 200 <= begins[0] < 200 + DELAY
        assert 400 <= ends[0] < 400 + DELAY


def test_alarm_says_since_when_and_by_how_much() -> None:
    usual = Usual(feature=FEATURE, middle=5.0, level_std=0.1, freedom=30.0, noise_std=0.2)
    change = Change(limits(usual))
    values = np.full(400, 5.0)
    values[150:] = 3.0
    for i, value in enumerate(values):
        change.add(value, 1000 * i)
    assert change.side == -1
    assert change.since_ns == 150_000
    assert change.shift == pytest.approx(-2.0)


def test_no_single_frame_and_no_short_stretch_alarms() -> None:
    change = Change(
        limits(Usual(feature=FEATURE, middle=0.0, level_std=0.0, freedom=8.0, noise_std=0.0))
    )
    values = np.zeros(500)
    values[100] = 1e9
    values[200:230] = -1e9
    assert follow(change, values) == ([], [])


def test_frames_without_a_value_change_nothing() -> None:
    rng = np.random.default_rng(0)
    usual = learnt(rng, memory=0.5)
    values = usual.middle + np.where(np.arange(300) > 100, 5.0, 0.0)
    with_gaps = np.full(600, np.nan)
    with_gaps[::2] = values
    begin = follow(Change(limits(usual)), values)[0][0]
    assert follow(Change(limits(usual)), with_gaps)[0] == [2 * begin]


@given(
    scale=st.sampled_from([-1000.0, -1.0, -0.01, 0.01, 2.0, 1e6]),
    offset=st.floats(-1e3, 1e3),
    seed=st.integers(0, 50),
)
def test_unit_and_origin_of_a_feature_do_not_matter(
    scale: float, offset: float, seed: int
) -> None:
    """Alarms of a x + b with a reference of a x + b are those of x with one of x."""
    rng = np.random.default_rng(seed)
    places = [stream(rng, 200, level=0.1 * rng.standard_normal()) for _ in range(4)]
    watched = stream(rng, 400)
    watched[150:300] += rng.uniform(-2, 2)

    def alarms(a: float, b: float) -> tuple[list[int], list[int]]:
        feature = replace(FEATURE, spread=abs(a) * FEATURE.spread)
        usual = learn_usual(feature, [a * one + b for one in places], delay_frames=DELAY)
        assert usual is not None
        return follow(Change(limits(usual)), a * watched + b)

    assert alarms(scale, offset) == alarms(1.0, 0.0)


@given(order=st.permutations(range(5)))
def test_order_of_recordings_does_not_matter(order: list[int]) -> None:
    rng = np.random.default_rng(1)
    places = [stream(rng, 150 + 60 * i, level=0.2 * i) for i in range(5)]
    one = learn_usual(FEATURE, places, delay_frames=DELAY)
    other = learn_usual(FEATURE, [places[i] for i in order], delay_frames=DELAY)
    assert one is not None
    assert other is not None
    for name in ("middle", "level_std", "freedom", "noise_std"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9)


@given(factor=st.floats(1.0, 10.0), seed=st.integers(0, 20))
def test_places_that_differ_more_make_the_watch_more_patient(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.standard_normal(6)
    noise = [stream(rng, 200) for _ in levels]

    def level(scale: float) -> float:
        places = [one + scale * at for one, at in zip(noise, levels, strict=True)]
        usual = learn_usual(FEATURE, places, delay_frames=DELAY)
        assert usual is not None
        return usual.level_std

    assert level(factor) >= level(1.0) - 1e-9


def test_levels_and_noise_are_recovered() -> None:
    """Sixty places with a standard deviation of 0.5; memory 0.8 triples that of a mean."""
    rng = np.random.default_rng(5)
    places = [stream(rng, 1000, level=0.5 * rng.standard_normal()) for _ in range(60)]
    usual = learn_usual(FEATURE, places, delay_frames=DELAY)
    assert usual is not None
    assert usual.level_std == pytest.approx(0.5, rel=0.25)
    assert usual.noise_std == pytest.approx(0.1 * 3.0, rel=0.15)  # sqrt((1 + 0.8) / (1 - 0.8))


def test_one_recording_says_nothing_of_how_places_differ() -> None:
    rng = np.random.default_rng(2)
    usual = learn_usual(FEATURE, [stream(rng, 1000)], delay_frames=DELAY)
    assert usual is not None
    assert usual.level_std >= FEATURE.spread
    assert usual.freedom == 8.0


@pytest.mark.parametrize(
    "recordings",
    [
        pytest.param([], id="none"),
        pytest.param([np.zeros(49)], id="short"),
        pytest.param([np.zeros(120)], id="one-stretch"),
        pytest.param([np.full(500, np.nan)], id="no-values"),
    ],
)
def test_too_little_is_not_learnt(recordings: list[FloatArray]) -> None:
    assert learn_usual(FEATURE, recordings, delay_frames=DELAY) is None


def test_a_feature_that_never_changed_can_be_watched() -> None:
    usual = learn_usual(FEATURE, [np.full(300, 7.0)] * 3, delay_frames=DELAY)
    assert usual is not None
    change = Change(limits(usual))
    values = np.full(300, 7.0)
    values[100:] += 1.0
    assert 100 < follow(change, values)[0][0] < 200
