from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.fusion import belief

CLASSES = ("car", "pedestrian", "unknown")
PLAIN = belief.Naming(aliases=(), alias_share=0.5)


def one(p: float, *q: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p]), np.array([q])


def test_detection_by_hand() -> None:
    """Half sure of an object of any class meets a car of score 0.8."""
    existence, probs = belief.seen(
        *one(0.5, 1 / 3, 1 / 3, 1 / 3),
        likelihood=PLAIN.likelihood(["car"], np.array([0.8]), CLASSES),
        score=np.array([0.8]),
    )
    # objects: (0.8 + 0.1 + 0.1) / 3, false alarm: 0.2 / 3
    assert existence[0] == pytest.approx(0.5 / (0.5 + 0.5 * 0.2))
    np.testing.assert_allclose(probs[0], [0.8, 0.1, 0.1])


def test_a_van_is_a_car_to_a_detector_that_knows_no_vans() -> None:
    """Half of the vans are called cars, the others anything else with the share of mistakes."""
    naming = belief.Naming(aliases=(("car", "truck"),), alias_share=0.5)
    classes = ("car", "pedestrian", "truck")
    likelihood = naming.likelihood(["car", "truck"], np.array([0.8, 0.8]), classes)
    np.testing.assert_allclose(likelihood, [[0.8, 0.1, 0.45], [0.1, 0.1, 0.8]])


def test_label_of_no_class_speaks_for_unknown() -> None:
    likelihood = PLAIN.likelihood(["dog"], np.array([0.8]), CLASSES)
    np.testing.assert_allclose(likelihood, [[0.1, 0.1, 0.8]])


def test_miss_by_hand() -> None:
    existence, probs = belief.missed(*one(0.5, 0.5, 0.0, 0.5), np.array([[0.8, 0.8, 0.0]]))
    # a car is missed with 0.2, an unknown thing always: 0.5 * 0.2 + 0.5 = 0.6
    assert existence[0] == pytest.approx(0.6 / 1.6)
    np.testing.assert_allclose(probs[0], [1 / 6, 0, 5 / 6])


def test_what_the_detector_cannot_know_it_does_not_deny() -> None:
    existence, probs = belief.missed(*one(0.7, 0.0, 0.0, 1.0), np.array([[0.8, 0.8, 0.0]]))
    assert existence[0] == pytest.approx(0.7)
    np.testing.assert_allclose(probs[0], [0, 0, 1])


def test_unknown_may_be_a_new_class() -> None:
    probs, classes = belief.widened(np.array([[0.6, 0.4]]), ("car", "unknown"), ["tram", "car"])
    assert classes == ("car", "unknown", "tram")
    np.testing.assert_allclose(probs[0], [0.6, 0.2, 0.2])


def test_belief_without_unknown_gains_it() -> None:
    probs, classes = belief.widened(np.array([[1.0]]), ("car",), [])
    assert classes == ("car", "unknown")
    assert probs[0, 0] > 0.99
    assert probs[0, 1] > 0


probabilities = st.floats(0.01, 0.99)


@given(p=probabilities, q=st.tuples(*[probabilities] * 3), score=st.floats(0, 1))
def test_results_are_probabilities(p: float, q: tuple[float, ...], score: float) -> None:
    existence, probs = one(p, *np.array(q) / sum(q))
    likelihood = PLAIN.likelihood(["pedestrian"], np.array([score]), CLASSES)
    seen = belief.seen(existence, probs, likelihood=likelihood, score=np.array([score]))
    missed = belief.missed(existence, probs, np.array([[score, score, 0.0]]) * 0.99)
    for after, after_probs in (seen, missed):
        assert 0 < after[0] < 1
        assert after_probs.sum() == pytest.approx(1)
        assert (after_probs >= 0).all()
    assert missed[0][0] <= p + 1e-12
    if score > 0.5:
        assert seen[1][0, 1] >= probs[0, 1] - 1e-12


def test_what_has_no_name_in_the_vocabulary_is_unknown() -> None:
    probs = belief.over(np.array([[0.5, 0.3, 0.2]]), ("car", "tram", "unknown"), CLASSES)
    np.testing.assert_allclose(probs[0, 0], 0.5, rtol=0.01)
    # half of what was unknown may be the pedestrian that nobody asked for
    np.testing.assert_allclose(probs[0, 1:], [0.1, 0.4], rtol=0.01)


@given(q=st.tuples(*[st.floats(0, 1)] * 3).filter(lambda q: sum(q) > 0))
def test_other_vocabulary_keeps_probabilities(q: tuple[float, ...]) -> None:
    given_probs = np.array([q]) / sum(q)
    probs = belief.over(given_probs, ("tram", "car", "unknown"), ("unknown", "dog"))
    assert probs.sum() == pytest.approx(1)
    assert (probs > 0).all()


def test_what_is_as_good_as_impossible_goes() -> None:
    told = belief.without_negligible(np.array([[0.985, 0.005, 0.01], [0.0, 0.5, 0.5]]))
    np.testing.assert_allclose(told, [[0.985 / 0.995, 0, 0.01 / 0.995], [0, 0.5, 0.5]])


def test_what_was_chosen_for_its_size_is_named_with_lower_odds() -> None:
    probs = np.array([[0.3, 0.3, 0.4], [0.3, 0.3, 0.4]])
    told = belief.of_chosen(probs, CLASSES, np.array([True, False]))
    np.testing.assert_allclose(told, [[1 / 6, 1 / 6, 2 / 3], [0.3, 0.3, 0.4]])


def test_size_of_what_a_camera_cut_out_speaks_only_against() -> None:
    # 0.04 to 0.84 is how persons are to unknown things among clusters; the second row has less
    probs = np.array([[0.3, 0.3, 0.4], [0.2, 0.01, 0.79], [0.3, 0.3, 0.4]])
    told = belief.of_cut(probs, CLASSES, np.array([True, True, False]))
    expected = np.array([[0.07, 0.04, 0.84], [0.07, 0.84 * 0.01 / 0.79, 0.84], [0.3, 0.3, 0.4]])
    np.testing.assert_allclose(told, expected / expected.sum(axis=1, keepdims=True))
