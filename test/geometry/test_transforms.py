"""Rotations and rigid transforms against SciPy, and the algebra they must obey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from perception_stack.errors import CalibrationError, FrameMismatchError, ShapeError
from perception_stack.geometry.transforms import (
    RigidTransform,
    matrix_from_quat,
    nearest_rotation,
    quat_from_matrix,
    quat_from_yaw,
    quat_multiply,
    slerp,
    yaw_from_quat,
)

_coordinate = st.floats(-1e3, 1e3, allow_nan=False)
_points = arrays(np.float64, (5, 3), elements=_coordinate)


@st.composite
def quats(draw: st.DrawFn) -> np.ndarray:
    raw = draw(arrays(np.float64, 4, elements=st.floats(-1, 1)).filter(lambda q: q @ q > 0.01))
    return raw / np.linalg.norm(raw)


@st.composite
def transforms(draw: st.DrawFn, target: str = "a", source: str = "b") -> RigidTransform:
    translation = draw(arrays(np.float64, 3, elements=_coordinate))
    return RigidTransform.from_quat(
        target=target, source=source, quat_xyzw=draw(quats()), translation_m=translation
    )


@given(quats())
def test_matrix_agrees_with_scipy(quat: np.ndarray) -> None:
    np.testing.assert_allclose(
        matrix_from_quat(quat), Rotation.from_quat(quat).as_matrix(), atol=1e-12
    )


@given(quats())
def test_quat_survives_the_matrix(quat: np.ndarray) -> None:
    back = quat_from_matrix(matrix_from_quat(quat))
    assert back[3] >= 0
    np.testing.assert_allclose(abs(back @ quat), 1.0, atol=1e-12)


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1)], ids=["x", "y", "z"])
def test_half_turn_has_an_exact_quaternion(axis: tuple[int, int, int]) -> None:
    matrix = 2 * np.outer(axis, axis) - np.eye(3)
    np.testing.assert_allclose(np.abs(quat_from_matrix(matrix)), [*axis, 0], atol=1e-15)


@given(quats(), quats())
def test_product_turns_first_right_then_left(left: np.ndarray, right: np.ndarray) -> None:
    expected = matrix_from_quat(left) @ matrix_from_quat(right)
    np.testing.assert_allclose(matrix_from_quat(quat_multiply(left, right)), expected, atol=1e-12)


@given(st.floats(-3.14, 3.14))
def test_yaw_round_trip(yaw_rad: float) -> None:
    assert float(yaw_from_quat(quat_from_yaw(yaw_rad))) == pytest.approx(yaw_rad, abs=1e-12)


def test_rotations_keep_leading_axes() -> None:
    quat = quat_from_yaw(np.zeros((2, 3)))
    assert matrix_from_quat(quat).shape == (2, 3, 3, 3)
    assert quat_from_matrix(np.empty((0, 3, 3))).shape == (0, 4)


@given(quats(), quats(), st.floats(0, 1))
def test_slerp_moves_at_constant_angle(start: np.ndarray, end: np.ndarray, part: float) -> None:
    whole = (Rotation.from_quat(start).inv() * Rotation.from_quat(end)).magnitude()
    moved = Rotation.from_quat(start).inv() * Rotation.from_quat(slerp(start, end, part))
    assert moved.magnitude() == pytest.approx(part * whole, abs=1e-6)


@given(transforms("a", "b"), transforms("b", "c"), _points)
def test_chain_applies_the_right_one_first(
    a_from_b: RigidTransform, b_from_c: RigidTransform, points: np.ndarray
) -> None:
    chained = a_from_b @ b_from_c
    assert (chained.target, chained.source) == ("a", "c")
    np.testing.assert_allclose(
        chained.apply(points), a_from_b.apply(b_from_c.apply(points)), atol=1e-8
    )


@given(transforms(), _points)
def test_inverse_brings_points_back(a_from_b: RigidTransform, points: np.ndarray) -> None:
    np.testing.assert_allclose(a_from_b.inverse().apply(a_from_b.apply(points)), points, atol=1e-8)


def test_wrong_chain_is_refused() -> None:
    one = RigidTransform(target="a", source="b", rotation=np.eye(3), translation_m=np.zeros(3))
    with pytest.raises(FrameMismatchError, match=r"expected frame 'b', got 'a'"):
        _ = one @ one


@pytest.mark.parametrize(
    ("rotation", "translation", "error"),
    [
        pytest.param(2 * np.eye(3), np.zeros(3), CalibrationError, id="scaled"),
        pytest.param(np.diag([1.0, 1, -1]), np.zeros(3), CalibrationError, id="mirrored"),
        pytest.param(np.full((3, 3), np.nan), np.zeros(3), CalibrationError, id="nan-rotation"),
        pytest.param(np.eye(3), np.array([0, np.inf, 0]), CalibrationError, id="infinite"),
        pytest.param(np.eye(4), np.zeros(3), ShapeError, id="homogeneous"),
    ],
)
def test_what_is_no_transform_is_refused(
    rotation: np.ndarray, translation: np.ndarray, error: type[Exception]
) -> None:
    with pytest.raises(error):
        RigidTransform(target="a", source="b", rotation=rotation, translation_m=translation)


def test_quaternion_of_wrong_length_is_refused() -> None:
    with pytest.raises(CalibrationError, match=r"length 0\.5"):
        RigidTransform.from_quat(
            target="a", source="b", quat_xyzw=np.array([0, 0, 0, 0.5]), translation_m=np.zeros(3)
        )


def test_points_keep_their_dtype_and_nan() -> None:
    one = RigidTransform(target="a", source="b", rotation=np.eye(3), translation_m=np.ones(3))
    moved = one.apply(np.array([[0, 0, 0], [np.nan, 0, 0]], np.float32))
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved, np.array([[1, 1, 1], [np.nan] * 3], np.float32))


def test_rounded_matrix_is_the_rotation_it_was() -> None:
    exact = matrix_from_quat(np.array([0.1, -0.7, 0.5, 0.5]))
    rounded = exact.round(3)
    found = nearest_rotation(rounded, "R", within=1e-3)
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(found, exact, atol=1e-3)


@pytest.mark.parametrize(
    "matrix",
    [np.diag([1.0, 1, -1]), np.diag([1.0, 1, 1.002]), np.full((3, 3), np.nan), np.zeros((3, 3))],
    ids=["mirror", "scaled", "NaN", "zero"],
)
def test_what_is_far_from_any_rotation_is_an_error(matrix: np.ndarray) -> None:
    with pytest.raises(CalibrationError, match="R is not a rotation"):
        nearest_rotation(matrix, "R", within=1e-3)
