from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.tracking.common import existence as kernels
from perception_stack.tracking.space.config import TrackerConfig, numbers

CONFIG = TrackerConfig()
LOG_ODDS = st.floats(-7, 7)


def log_odds_of(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def missed(log_odds: np.ndarray, dt_s: float, config: TrackerConfig, share=1.0) -> np.ndarray:
    """Log odds after a time in which detections were looked for and none came."""
    (p,) = numbers(config)
    looked_s = share * kernels.remembered_s(dt_s, p)
    return kernels.missed(kernels.faded(log_odds, dt_s, p), looked_s, p)


def seen(
    log_odds: np.ndarray, score: np.ndarray, dt_s: float, config: TrackerConfig
) -> np.ndarray:
    """Log odds after a time at whose end a detection of the given score came."""
    (p,) = numbers(config)
    return kernels.seen(kernels.faded(log_odds, dt_s, p), score, dt_s, p)


def integrated(log_odds: float, rate_hz: float, seconds: float) -> float:
    """The stated differential equation in small steps."""
    num = 20000
    for _ in range(num):
        log_odds += ((-3.0 - log_odds) / CONFIG.existence_memory_s + rate_hz) * seconds / num
    return log_odds


@pytest.mark.parametrize("log_odds", [-2.0, 0.0, 6.5])
def test_misses_follow_the_stated_equation(log_odds):
    expected = integrated(log_odds, -1 / CONFIG.unseen_s, 0.3)
    assert missed(np.array([log_odds]), 0.3, CONFIG)[0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("score", [0.05, 0.5, 0.9])
def test_detections_follow_the_stated_equation(score):
    rate_hz = (log_odds_of(score) + np.log(CONFIG.hit_odds)) / CONFIG.persistence_s
    rate_hz = max(rate_hz, -1 / CONFIG.unseen_s)
    expected = min(integrated(0.0, rate_hz, 0.1), 7.0)
    got = seen(np.zeros(1), np.array([score]), 0.1, CONFIG)[0]
    assert got == pytest.approx(expected, abs=1e-3)


@given(log_odds=LOG_ODDS, first_s=st.floats(0, 2), second_s=st.floats(0, 2))
def test_two_empty_times_add_up(log_odds, first_s, second_s):
    one = np.array([log_odds])
    in_steps = missed(missed(one, first_s, CONFIG), second_s, CONFIG)
    np.testing.assert_allclose(in_steps, missed(one, first_s + second_s, CONFIG), atol=1e-9)


@given(log_odds=LOG_ODDS, dt_s=st.floats(1e-3, 1), low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_surer_detection_makes_surer_and_a_miss_less_sure(log_odds, dt_s, low, high):
    one = np.array([log_odds])
    low, high = sorted((low, high))
    after_low = seen(one, np.array([low]), dt_s, CONFIG)
    after_high = seen(one, np.array([high]), dt_s, CONFIG)
    assert after_low <= after_high
    assert after_high <= 7.0
    assert missed(one, dt_s, CONFIG) <= after_low
    assert missed(one, dt_s, CONFIG) < seen(one, np.array([0.5]), dt_s, CONFIG)


@pytest.mark.parametrize("unseen_s", [0.01, 1.0, 1e3])
def test_belief_in_the_unseen_ends_below_the_threshold_of_removal(unseen_s):
    config = TrackerConfig(unseen_s=unseen_s, remove_existence=0.05)
    assert missed(np.array([7.0]), 1e3, config) < log_odds_of(config.remove_existence)


def test_scores_of_zero_and_one_are_not_taken_literally():
    assert np.isfinite(kernels.log_odds_of_score(np.array([0.0, 1.0]))).all()
