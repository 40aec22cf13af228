from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception_stack.datatypes import UNKNOWN, Boxes3D
from perception_stack.geometry.transforms import matrix_from_quat, quat_from_yaw
from perception_stack.journal import Journal
from perception_stack.tracking.space.config import TrackerConfig, numbers
from perception_stack.tracking.space.measurements import Measurements, measurements_from_boxes
from perception_stack.tracking.space.turns import (
    cholesky,
    swap_sides,
    turn_by_quarters,
    turn_on,
    turned_quat,
    write_axes,
    write_turn_between,
)

VECTORS = hnp.arrays(np.float64, 3, elements=st.floats(-1.8, 1.8))
QUATS = hnp.arrays(np.float64, (4, 4), elements=st.floats(-1, 1)).filter(
    lambda q: (np.linalg.norm(q, axis=1) > 0.1).all()
)
SIZE = np.array([[4.0, 1.8, 1.5]] * 4)
START = np.array([0.1, -0.7, 0.5, 0.5]) / np.linalg.norm([0.1, -0.7, 0.5, 0.5])


def spanned(quat: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The box as an ellipsoid, which does not know names of axes."""
    axes = matrix_from_quat(quat)
    return np.einsum("nij,nj,nkj->nik", axes, size**2, axes)


def read(quat, size, covariance, **params) -> Measurements:
    """Boxes in a row along x, which thus keep their order."""
    num = len(quat)
    boxes = Boxes3D(
        frame_id="odom",
        stamp_ns=0,
        center_m=np.outer(np.arange(num), [1.0, 0.0, 0.0]),
        quat_xyzw=quat,
        size_lwh_m=size,
        covariance=covariance,
        score=np.ones(num),
        classes=(UNKNOWN,),
        class_probs=np.ones((num, 1)),
        sensors=((),) * num,
    )
    parameters = numbers(TrackerConfig(**params))
    return measurements_from_boxes(
        boxes, vocabulary=(UNKNOWN,), parameters=parameters, journal=Journal()
    )


def turn_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    vector = np.empty(3)
    write_turn_between(start, end, vector)
    return vector


@given(VECTORS)
def test_vectors_come_back(vector_rad):
    end = np.array(turned_quat(START, vector_rad))
    np.testing.assert_allclose(turn_between(START, end), vector_rad, atol=1e-9)
    np.testing.assert_allclose(turn_between(START, -end), vector_rad, atol=1e-9)


@pytest.mark.parametrize("vector_rad", [[0.0, 0.0, 0.0], [1e-14, 0.0, 0.0], [0.0, 1e-9, 0.0]])
def test_zero_and_tiny_turns_are_exact(vector_rad):
    identity = np.array([0.0, 0.0, 0.0, 1.0])
    end = np.array(turned_quat(identity, np.array(vector_rad)))
    np.testing.assert_allclose(turn_between(identity, end), vector_rad, rtol=1e-6)


def test_turns_are_about_the_fixed_axes():
    turned = np.array(turned_quat(quat_from_yaw(np.array([0.4]))[0], np.array([0.0, 0.0, 0.3])))
    np.testing.assert_allclose(turned, quat_from_yaw(0.7))


@given(QUATS)
def test_axes_are_those_of_the_rotation_matrix(quat):
    quat = quat / np.linalg.norm(quat, axis=1, keepdims=True)
    axes = np.empty((3, 3))
    write_axes(quat[0], axes)
    np.testing.assert_allclose(axes, matrix_from_quat(quat)[0], atol=1e-12)


@given(hnp.arrays(np.float64, (5, 5), elements=st.floats(-1, 1)))
def test_the_factor_multiplies_back(root):
    matrix = root @ root.T + 0.1 * np.eye(5)
    factor = matrix.copy()
    assert cholesky(factor, 5)
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(matrix), atol=1e-9)
    assert not cholesky(root @ root.T - 30.0 * np.eye(5), 5)


@given(QUATS)
def test_upright_boxes_are_the_same_boxes(quat):
    unit = quat / np.linalg.norm(quat, axis=1, keepdims=True)
    found = read(quat, SIZE, np.tile(np.eye(6), (4, 1, 1)))
    up_quat, up_size = found["quat_xyzw"], found["size_lwh_m"]
    np.testing.assert_allclose(spanned(up_quat, up_size), spanned(unit, SIZE), atol=1e-9)
    up = matrix_from_quat(up_quat)[:, 2]
    assert (up[:, 2] >= np.abs(up[:, :2]).max(axis=1) - 1e-8).all()


@given(QUATS, hnp.arrays(np.intp, 4, elements=st.integers(0, 3)))
def test_quarter_turns_leave_the_box_and_are_found_again(quat, quarters):
    quat = quat / np.linalg.norm(quat, axis=1, keepdims=True)
    turned, size = quat.copy(), SIZE.copy()
    for row in range(4):
        turn_on(turned[row], quarters[row])
        if quarters[row] % 2 == 1:
            swap_sides(size[row])
    np.testing.assert_allclose(spanned(turned, size), spanned(quat, SIZE), atol=1e-9)
    for row in range(4):
        found = quat[row].copy()
        assert turn_by_quarters(found, turned[row]) == quarters[row]
        np.testing.assert_allclose(np.abs(found @ turned[row]), 1.0)


def test_noise_is_the_stated_one_on_top_of_a_floor():
    quat = quat_from_yaw(np.array([np.pi / 2, 0.0]))
    stated = np.tile(np.diag([0.1, 0.2, 0.3, 0.01, 0.01, 0.02]), (2, 1, 1))
    stated[1, 5, 5] = 4.0  # nobody knows where the front is
    size = np.array([[3.0, 4.0, 12.0]] * 2)  # diagonal 13
    floors = {"position_noise_per_size": 0.1, "rotation_noise_rad": 0.5, "axis_noise_rad": 0.2}
    found = read(quat, size, stated, **floors)
    noise, ends = found["noise"], found["ends_noise_m2"]
    np.testing.assert_allclose(
        np.diagonal(noise[0]), [1.79, 1.89, 1.99, 0.26, 0.26, 0.27], atol=1e-12
    )
    assert noise[1, 5, 5] == pytest.approx(0.2**2 + 0.5**2)
    # length lies along the frame's y axis; an unseen end counts twice its centre's deviation
    np.testing.assert_allclose(ends[0], 4 * np.array([1.89, 1.79, 1.99]))
