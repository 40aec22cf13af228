from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.shape.rectangles import Rectangles, fit_rectangles


def fit(*groups: np.ndarray) -> Rectangles:
    xyz_m = np.concatenate(groups).astype(np.float32)
    of_point = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return fit_rectangles(xyz_m, of_point.astype(np.int32), len(groups))


def l_shape(*, length_m: float, width_m: float, yaw_rad: float, center_m) -> np.ndarray:
    """The two sides of a rectangle that face the origin."""
    along = np.linspace(-0.5, 0.5, 60)
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    turn = np.array([[c, -s], [s, c]])
    toward = np.where(turn.T @ np.asarray(center_m) > 0, -1, 1)
    sides = np.concatenate(
        [
            np.stack([along * length_m, np.full(60, toward[1] * width_m / 2)], axis=1),
            np.stack([np.full(60, toward[0] * length_m / 2), along * width_m], axis=1),
        ]
    )
    return np.column_stack([sides @ turn.T + center_m, np.tile(np.linspace(0.3, 1.5, 60), 2)])


@settings(max_examples=50, deadline=None)
@given(
    yaw_rad=st.floats(-np.pi, np.pi),
    bearing_rad=st.floats(-np.pi, np.pi),
    length_m=st.floats(2.5, 8),
    width_m=st.floats(1, 2.4),
)
def test_two_sides_give_the_rectangle(
    yaw_rad: float, bearing_rad: float, length_m: float, width_m: float
) -> None:
    center_m = 20 * np.array([np.cos(bearing_rad), np.sin(bearing_rad)])
    points = l_shape(length_m=length_m, width_m=width_m, yaw_rad=yaw_rad, center_m=center_m)
    one = fit(points)
    error = (one.yaw_rad[0] - yaw_rad + np.pi / 4) % (np.pi / 2) - np.pi / 4
    assert abs(error) < np.deg2rad(2.5)
    extent = np.sort((one.high_m - one.low_m)[0])
    np.testing.assert_allclose(extent, sorted([length_m, width_m]), atol=0.25)
    np.testing.assert_allclose(one.z_m[0], [0.3, 1.5], atol=1e-6)
    assert one.num_points[0] == 120


def test_every_point_lies_within_its_rectangle() -> None:
    random = np.random.default_rng(0)
    groups = [random.normal(0, 1, (n, 3)) + random.normal(0, 20, 3) for n in (1, 2, 5, 3000)]
    fitted = fit(*groups)
    for i, group in enumerate(groups):
        c, s = np.cos(fitted.yaw_rad[i]), np.sin(fitted.yaw_rad[i])
        turned = group[:, :2] @ np.array([[c, -s], [s, c]])
        assert (turned >= fitted.low_m[i] - 1e-5).all()
        assert (turned <= fitted.high_m[i] + 1e-5).all()


@pytest.mark.parametrize("num", [1, 50])
def test_points_in_one_place(num: int) -> None:
    one = fit(np.tile([10.0, 2.0, 0.5], (num, 1)))
    np.testing.assert_allclose(one.high_m, one.low_m)
    assert one.sharpness_m[0] == pytest.approx(0, abs=1e-9)


def test_no_clusters() -> None:
    assert len(fit_rectangles(np.ones((3, 3), np.float32), np.full(3, -1, np.int32), 0)) == 0


@pytest.mark.parametrize(
    "index", [np.array([2, 0]), np.array([True, False, True]), np.empty(0, dtype=np.intp)]
)
def test_rows_by_index_and_by_mask(index: np.ndarray) -> None:
    fitted = fit(*[np.tile([10.0, 2.0, z], (1 + z, 1)) for z in range(3)])
    picked = fitted.rows(index)
    assert len(picked) == len(picked.low_m) == len(np.arange(3)[index])
    np.testing.assert_array_equal(picked.num_points, np.array([1, 2, 3])[index])
    np.testing.assert_array_equal(picked.z_m[:, 0], np.arange(3.0)[index])
