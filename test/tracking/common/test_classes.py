from __future__ import annotations

import numpy as np
import pytest

from perception_stack.tracking.common.classes import (
    compatibility,
    fuse,
    likelihood,
    spread,
    statement,
)
from perception_stack.tracking.space.config import TrackerConfig, numbers

CONFIG = TrackerConfig(class_confusion=0.1, class_memory_s=2.0)
(PARAMETERS,) = numbers(CONFIG)
VOCABULARY, UNKNOWN = ("bus", "car", "unknown"), 2


def like(*probs: float) -> np.ndarray:
    return likelihood(np.array([probs], dtype=np.float64), UNKNOWN, PARAMETERS)


def fused(probs: np.ndarray, said: np.ndarray, unseen_s: float) -> np.ndarray:
    """Class probabilities [V] after one more detection that says [1, V]."""
    posterior = probs.copy()
    fuse(posterior, said[0], unseen_s, PARAMETERS)
    return posterior


def test_spread_keeps_probabilities_by_name():
    wide = spread(np.array([[0.2, 0.8]]), ("unknown", "car"), vocabulary=VOCABULARY)
    assert wide.tolist() == [[0.0, 0.8, 0.2]]


@pytest.mark.parametrize(
    ("probs", "expected"),
    [
        pytest.param((0, 1, 0), [0.1 / 3, 0.9 + 0.1 / 3, 0.1 / 3], id="sure"),
        pytest.param((0, 0, 1), [1 / 3, 1 / 3, 1 / 3], id="unknown_says_nothing"),
        pytest.param((0, 0.4, 0.6), [0.64 / 3, 0.36 + 0.64 / 3, 0.64 / 3], id="half_known"),
    ],
)
def test_likelihood_spreads_what_is_unknown_or_confused(probs, expected):
    np.testing.assert_allclose(like(*probs), [expected])


def test_fusion_is_bayes_where_nothing_is_forgotten():
    prior = np.array([0.3, 0.5, 0.2])
    got = fused(prior, like(0, 1, 0), 0.0)
    raised = (1 - 0.01) * prior + 0.01 / 3
    expected = raised * like(0, 1, 0)[0]
    np.testing.assert_allclose(got, expected / expected.sum())


def test_old_evidence_counts_less():
    prior = np.array([0.0, 1.0, 0.0])
    soon = fused(prior, like(1, 0, 0), 0.1)
    late = fused(prior, like(1, 0, 0), 20.0)
    assert soon[1] > 0.5
    assert late[0] > 0.9


def test_compatibility_is_one_where_nothing_is_known():
    assert compatibility(like(0, 0, 1)[0], like(0, 1, 0)[0]) == pytest.approx(1)
    assert compatibility(like(0, 1, 0)[0], like(0, 1, 0)[0]) > 2
    assert compatibility(like(1, 0, 0)[0], like(0, 1, 0)[0]) < 0.2


def test_a_thing_that_stays_unknown_does_not_become_what_it_might_be():
    """A wall that may be a truck is none, frame after frame; a few clear looks make it one."""
    probs = np.array([0.0, 0.1, 0.9])
    for _ in range(100):
        seen = statement(np.array([[0.0, 0.15, 0.85]]), UNKNOWN, PARAMETERS)
        probs = fused(probs, seen, 0.1)
    assert probs[2] > 0.7
    for _ in range(3):
        seen = statement(np.array([[0.0, 0.95, 0.05]]), UNKNOWN, PARAMETERS)
        probs = fused(probs, seen, 0.1)
    assert probs[1] > 0.7
