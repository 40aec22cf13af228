"""What edges tell: the Kalman update, levels of noise, and the border of the image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from perception_stack.tracking.common.rectangles import overlap
from perception_stack.tracking.image.config import ImageTrackerConfig, numbers
from perception_stack.tracking.image.detections import Instant
from perception_stack.tracking.image.edges import (
    correct,
    log_likelihood,
    write_edges,
    write_first,
    write_innovation,
)
from perception_stack.tracking.image.tracks import LEVELS

(_P,) = numbers(ImageTrackerConfig())
_NOWHERE = Instant(stamp_ns=0, dt_s=0.1, serial=0, width_px=np.inf, height_px=np.inf)
_SMALL = Instant(stamp_ns=0, dt_s=0.1, serial=0, width_px=640.0, height_px=480.0)


def some_track():
    state = np.array([300.0, 200.0, np.log(80.0), np.log(0.5), 0.3, -0.1, 0.2])
    root = np.random.default_rng(0).normal(size=(7, 7)) * [5, 5, 0.05, 0.05, 0.2, 0.2, 0.1]
    return state, root.T @ root


def innovation_of(state, covariance, found, instant=_NOWHERE):
    innovation = np.empty((4, 7)), np.empty(4), np.empty((4, 4))
    write_innovation(state, covariance, np.asarray(found, dtype=np.float64), instant, innovation)
    return innovation


def test_innovation_is_the_derivative_of_the_edges():
    state, covariance = some_track()
    rows, off, spread = innovation_of(state, covariance, [282.0, 161.0, 323.0, 243.0])
    edges, moved = np.empty(4), np.empty(4)
    write_edges(state, edges)
    np.testing.assert_allclose(off, [282.0, 161.0, 323.0, 243.0] - edges)
    for i in range(7):
        step = np.zeros(7)
        step[i] = 1e-6
        write_edges(state + step, moved)
        np.testing.assert_allclose(rows[:, i], (moved - edges) / 1e-6, atol=1e-3)
    np.testing.assert_allclose(spread, rows @ covariance @ rows.T, rtol=1e-9)


def test_correct_is_the_kalman_update():
    state, covariance = some_track()
    innovation = innovation_of(state, covariance, [282.0, 161.0, 323.0, 243.0])
    rows, off, spread = innovation
    gain = covariance @ rows.T @ np.linalg.inv(spread + 9.0 * np.eye(4))
    expected = state + gain @ off, covariance - gain @ rows @ covariance
    correct(state, covariance, innovation, 9.0)
    np.testing.assert_allclose(state, expected[0], rtol=1e-9)
    np.testing.assert_allclose(covariance, expected[1], atol=1e-9)


def test_likelihood_is_a_mixture_of_normal_densities():
    state, covariance = some_track()
    innovation = innovation_of(state, covariance, [290.0, 161.0, 323.0, 243.0])
    probs, posterior = np.array([0.4, 0.3, 0.1, 0.1, 0.1]), np.empty(LEVELS)
    log_like, squared = log_likelihood(innovation, 0.4, probs, _P, posterior)
    noises = 0.4 * _P["noise_ratio"] ** np.arange(LEVELS)
    densities = [
        multivariate_normal.pdf(innovation[1], cov=innovation[2] + noise**2 * np.eye(4))
        for noise in noises
    ]
    # the constant is left out
    total = np.log(probs @ densities) + 2 * np.log(2 * np.pi)
    assert log_like == pytest.approx(total)
    np.testing.assert_allclose(posterior, probs * densities / (probs @ densities), rtol=1e-6)
    widest = innovation[2] + noises[-1] ** 2 * np.eye(4)
    assert squared == pytest.approx(innovation[1] @ np.linalg.solve(widest, innovation[1]))


def test_an_edge_at_the_border_tells_nothing_of_what_is_beyond():
    """A car that leaves the image grows narrower in the detections, but not in truth."""
    state, covariance = np.array([620.0, 200.0, np.log(80.0), np.log(1.5), 0, 0, 0]), np.eye(7)
    rows, off, _ = innovation_of(state, covariance, [560.0, 160.0, 640.0, 240.0], _SMALL)
    assert off[2] == 0
    assert not rows[2].any()
    assert rows[0].any()
    inside = innovation_of(state, covariance, [560.0, 160.0, 620.0, 240.0], _SMALL)
    assert inside[1][2] == pytest.approx(-60.0)
    # expected to end before the border, seen to reach it: that does tell something
    state[0] = 500.0
    assert innovation_of(state, covariance, [440.0, 160.0, 640.0, 240.0], _SMALL)[1][2] > 0


@given(st.floats(20, 300), st.floats(20, 300), st.booleans(), st.booleans())
def test_a_new_thing_is_as_uncertain_as_its_edges(width, height, cut_right, cut_bottom):
    found = np.array([640 - width, 480 - height, 640.0, 480.0])
    found[[0, 2]] -= 0.0 if cut_right else 50.0
    found[[1, 3]] -= 0.0 if cut_bottom else 50.0
    if found[0] < 5 or found[1] < 5:
        return
    state, covariance = np.empty(7), np.empty((7, 7))
    write_first(state, covariance, found, _SMALL, _P)
    edges = np.empty(4)
    write_edges(state, edges)
    np.testing.assert_allclose(edges, found, rtol=1e-9)
    rows = innovation_of(state, covariance, found)[0]
    side = max(width, height)
    clear, cut = _P["edge_noise"] * _P["noise_ratio"] * side, 0.3 * side
    sigma = [clear, clear, cut if cut_right else clear, cut if cut_bottom else clear]
    np.testing.assert_allclose(rows @ covariance @ rows.T, np.diag(np.square(sigma)), atol=1e-6)
    assert np.linalg.eigvalsh(covariance)[0] > -1e-9


def test_overlap():
    first, second = np.array([0.0, 0.0, 10.0, 10.0]), np.array([5.0, 0.0, 25.0, 10.0])
    assert overlap(first, second) == pytest.approx((50 / 250, 0.5))
    assert overlap(first, second + 30) == (0.0, 0.0)
