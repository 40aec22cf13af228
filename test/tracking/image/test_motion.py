"""The motion model against things that move straight on in space, and its derivative."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaincinv

from perception_stack.tracking.image.config import ImageTrackerConfig, numbers
from perception_stack.tracking.image.motion import predict

(_P,) = numbers(ImageTrackerConfig())
_FOCAL_PX = 700.0


def state_of(place_m, velocity_mps, height_m, time_s):
    """State of a thing in view of a camera at the origin that looks along z."""
    x, y, z = np.asarray(place_m) + time_s * np.asarray(velocity_mps)
    vx, vy, vz = velocity_mps
    u, v, h = _FOCAL_PX * np.array([x, y, height_m]) / z
    speed_px = (_FOCAL_PX * np.array([vx, vy]) - vz * np.array([u, v])) / z
    return np.array([u, v, np.log(h), 0.3, *(speed_px / h), -vz / z])


@given(
    x=st.floats(-10, 10),
    z=st.floats(12, 60),
    velocity=st.tuples(st.floats(-10, 10), st.floats(-1, 1), st.floats(-10, 10)),
    dt_s=st.floats(0.01, 0.4),
)
def test_straight_motion_in_space_is_predicted_exactly(x, z, velocity, dt_s):
    """Without the focal length, the principal point or the depth."""
    now, later = (state_of((x, 1.0, z), velocity, 1.6, time_s) for time_s in (0.0, dt_s))
    predict(now, np.zeros((7, 7)), dt_s, _P)
    np.testing.assert_allclose(now, later, rtol=1e-9, atol=1e-9)


def test_covariance_follows_the_derivative():
    start = state_of((3.0, 1.0, 15.0), (4.0, 0.2, -8.0), 1.6, 0.0)
    (no_noise,) = numbers(
        ImageTrackerConfig(
            acceleration=0.0, acceleration_per_speed=0.0, approach_change=0.0, shape_change=0.0
        )
    )
    jacobian = np.empty((7, 7))
    for i in range(7):
        ends = []
        for sign in (1, -1):
            state = start.copy()
            state[i] += sign * 1e-5
            predict(state, np.zeros((7, 7)), 0.1, no_noise)
            ends.append(state)
        jacobian[:, i] = (ends[0] - ends[1]) / 2e-5
    root = np.random.default_rng(0).normal(size=(7, 7))
    covariance = root @ root.T
    expected = jacobian @ covariance @ jacobian.T
    predict(start, covariance, 0.1, no_noise)
    np.testing.assert_allclose(covariance, expected, rtol=1e-5, atol=1e-6)


def test_two_short_steps_are_as_uncertain_as_a_long_one():
    """Of a thing that stands: the frame rate of empty frames does not matter."""
    first, second = (np.array([100.0, 50.0, np.log(40.0), 0.2, 0, 0, 0]) for _ in range(2))
    one, two = np.eye(7), np.eye(7)
    predict(first, one, 0.2, _P)
    for _ in range(2):
        predict(second, two, 0.1, _P)
    np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)


def test_the_gate_lets_in_what_it_says():
    assert _P["gate"] == pytest.approx(2 * gammaincinv(2, 0.999))
    rng = np.random.default_rng(1)
    squared = np.sum(rng.normal(size=(200_000, 4)) ** 2, axis=1)
    assert np.mean(squared <= _P["gate"]) == pytest.approx(0.999, abs=3e-4)
