"""Rotation vectors there and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.calibration.estimation.rotations import (
    corrected,
    cross_matrix,
    exp,
    log,
    nearest_rotation,
)
from perception_stack.geometry.transforms import RigidTransform

_VECTORS = st.tuples(*[st.floats(-1.7, 1.7)] * 3).map(np.array)


@given(_VECTORS)
def test_there_and_back(turn: np.ndarray) -> None:
    np.testing.assert_allclose(log(exp(turn)), turn, atol=1e-9)


def test_no_turn_and_tiny_ones() -> None:
    np.testing.assert_array_equal(exp(np.zeros(3)), np.eye(3))
    np.testing.assert_array_equal(log(np.eye(3)), np.zeros(3))
    tiny = np.array([1e-9, -2e-9, 3e-9])
    np.testing.assert_allclose(log(exp(tiny)), tiny, rtol=1e-6)
    assert log(np.empty((0, 3, 3))).shape == (0, 3)


@given(_VECTORS, _VECTORS)
def test_cross_matrix(one: np.ndarray, other: np.ndarray) -> None:
    np.testing.assert_allclose(cross_matrix(one) @ other, np.cross(one, other), atol=1e-12)


@given(_VECTORS)
def test_nearest_of_a_rotation_is_itself(turn: np.ndarray) -> None:
    np.testing.assert_allclose(nearest_rotation(2.5 * exp(turn)), exp(turn), atol=1e-12)


def test_corrections_are_about_the_targets_axes() -> None:
    start = RigidTransform(
        target="a", source="b", rotation=exp(np.array([0, 0, 1.0])), translation_m=np.ones(3)
    )
    moved = corrected(start, np.array([0.1, 0, 0, 0, 0.2, 0]))
    np.testing.assert_allclose(log(moved.rotation @ start.rotation.T), [0, 0.2, 0], atol=1e-12)
    np.testing.assert_allclose(moved.translation_m, [1.1, 1, 1])
