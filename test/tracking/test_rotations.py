from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception_stack.geometry.transforms import matrix_from_quat, quat_from_yaw
from perception_stack.tracking.rotations import (
    quarters_to,
    quat_from_vector,
    sides_after_quarters,
    turned_by_quarters,
    upright,
    vector_from_quat,
)

VECTORS = hnp.arrays(np.float64, (3, 3), elements=st.floats(-1.8, 1.8))
QUATS = hnp.arrays(np.float64, (4, 4), elements=st.floats(-1, 1)).filter(
    lambda q: (np.linalg.norm(q, axis=1) > 0.1).all()
)
SIZE = np.array([[4.0, 1.8, 1.5]] * 4)


def spanned(quat: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The box as an ellipsoid, which does not know names of axes."""
    axes = matrix_from_quat(quat)
    return np.einsum("nij,nj,nkj->nik", axes, size**2, axes)


@given(VECTORS)
def test_vectors_come_back(vector_rad):
    np.testing.assert_allclose(
        vector_from_quat(quat_from_vector(vector_rad)), vector_rad, atol=1e-9
    )


def test_zero_and_tiny_turns_are_exact():
    vector_rad = np.array([[0.0, 0.0, 0.0], [1e-14, 0.0, 0.0], [0.0, 1e-9, 0.0]])
    np.testing.assert_allclose(
        vector_from_quat(quat_from_vector(vector_rad)), vector_rad, rtol=1e-6
    )


def test_the_negative_quaternion_is_the_same_turn():
    quat = quat_from_yaw(np.array([0.3]))
    np.testing.assert_allclose(vector_from_quat(-quat), [[0, 0, 0.3]])


@given(QUATS)
def test_upright_boxes_are_the_same_boxes(quat):
    quat = quat / np.linalg.norm(quat, axis=1, keepdims=True)
    up_quat, up_size = upright(quat, SIZE)
    np.testing.assert_allclose(spanned(up_quat, up_size), spanned(quat, SIZE), atol=1e-9)
    up = matrix_from_quat(up_quat)[:, 2]
    assert (up[:, 2] >= np.abs(up[:, :2]).max(axis=1) - 1e-12).all()


@given(QUATS, hnp.arrays(np.intp, 4, elements=st.integers(0, 3)))
def test_quarter_turns_leave_the_box_and_are_found_again(quat, quarters):
    quat = quat / np.linalg.norm(quat, axis=1, keepdims=True)
    turned, size = turned_by_quarters(quat, quarters), sides_after_quarters(SIZE, quarters)
    np.testing.assert_allclose(spanned(turned, size), spanned(quat, SIZE), atol=1e-9)
    assert (quarters_to(quat, turned) == quarters).all()
