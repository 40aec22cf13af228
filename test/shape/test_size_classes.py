from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.shape.size_classes import CLASSES, believe

SEEN = 0.85


@pytest.mark.parametrize(
    ("extent_m", "whole", "label"),
    [
        pytest.param((4.2, 1.75, 1.5), (SEEN, SEEN, 0.8), "car", id="car"),
        pytest.param((0.1, 1.75, 1.5), (0.0, SEEN, 0.8), "car", id="rear_of_a_car"),
        pytest.param((4.2, 0.1, 1.5), (SEEN, 0.0, 0.8), "car", id="side_of_a_car"),
        pytest.param((9.0, 2.5, 3.3), (SEEN, SEEN, 0.8), "truck", id="truck"),
        pytest.param((5.0, 1.95, 2.3), (SEEN, SEEN, 0.8), "truck", id="van"),
        pytest.param((0.6, 0.5, 1.75), (SEEN, SEEN, 0.8), "pedestrian", id="pedestrian"),
        pytest.param((1.7, 0.6, 1.75), (SEEN, SEEN, 0.8), "cyclist", id="cyclist"),
        pytest.param((12, 0.2, 2.0), (SEEN, 0.0, 0.8), "unknown", id="wall"),
        pytest.param((0.2, 0.2, 3.5), (SEEN, SEEN, 0.8), "unknown", id="pole"),
        pytest.param((0.3, 0.3, 0.3), (SEEN, SEEN, 0.8), "unknown", id="stone"),
        pytest.param((1e3, 1e3, 1e3), (SEEN, SEEN, 0.8), "unknown", id="impossible"),
    ],
)
def test_class_by_size(extent_m, whole, label: str) -> None:
    turned = [extent_m[1], extent_m[0], extent_m[2]], [whole[1], whole[0], whole[2]]
    whole = np.array([whole, turned[1]])
    belief = believe(np.array([extent_m, turned[0]]), np.sign(whole), whole)
    assert [CLASSES[i] for i in np.argmax(belief.class_probs, axis=1)] == [label, label]
    # which axis came first changes nothing
    np.testing.assert_allclose(belief.class_probs[0], belief.class_probs[1])
    np.testing.assert_allclose(belief.size_m[0], belief.size_m[1, [1, 0, 2]])


def test_hidden_side_gets_the_length_of_its_class() -> None:
    belief = believe(
        np.array([[0.3, 1.75, 1.5]]), np.array([[0.0, 1.0, 1.0]]), np.array([[0.0, SEEN, 0.8]])
    )
    assert not belief.swapped[0]
    assert belief.size_m[0, 0] == pytest.approx(4.2, abs=0.1)
    assert belief.size_m[0, 1] == pytest.approx(1.75, abs=0.1)
    assert belief.size_variance_m2[0, 0] > 1.5 * belief.size_variance_m2[0, 1]


extents = st.tuples(*[st.floats(0.05, 30)] * 3)
shares = st.tuples(*[st.floats(0, 0.85)] * 2)


@given(extent_m=extents, whole=shares)
def test_belief_is_sound_and_never_shrinks_what_was_seen(extent_m, whole) -> None:
    belief = believe(np.array([extent_m]), np.ones((1, 3)), np.array([[*whole, 0.8]]))
    assert belief.class_probs.sum() == pytest.approx(1)
    assert np.isfinite(belief.size_m).all()
    assert (belief.size_m[0] >= np.array(extent_m) - 1e-9).all()
    assert (belief.size_variance_m2 > 0).all()
    assert np.isfinite(belief.size_variance_m2).all()
    assert 0 <= belief.swap_probability[0] <= 1


@pytest.mark.parametrize("deviations", [-3.0, 0.0, 2.0, 9.99, 10.01, 25.0])
def test_hidden_length_is_the_mean_of_a_normal_one_beyond_what_was_seen(deviations: float) -> None:
    from scipy.special import erfcx

    mean_m, sigma_m = 1.72, 0.14  # the height of a pedestrian
    extent_m = mean_m + deviations * sigma_m
    hazard = np.sqrt(2 / np.pi) / erfcx(deviations / np.sqrt(2))
    only_pedestrian = np.array([[0.0, 0.0, 1.0, 0.0, 0.0]])
    seen = np.array([[0.7, 0.6, extent_m]])
    nothing_whole = np.zeros((1, 3))
    belief = believe(seen, np.ones((1, 3)), nothing_whole, only_pedestrian)
    assert belief.size_m[0, 2] == pytest.approx(mean_m + sigma_m * hazard, abs=1e-9)


def test_nothing_in_nothing_out() -> None:
    belief = believe(*[np.empty((0, 3))] * 3)
    assert belief.class_probs.shape == (0, len(CLASSES))
