"""Projection against OpenCV, and its inverse."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.errors import CalibrationError, ShapeError
from perception_stack.geometry.camera import CameraModel

K = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])
DISTORTIONS = {
    "none": ("", []),
    "plumb_bob": ("plumb_bob", [-0.28, 0.07, 1e-3, -5e-4, 0.01]),
    "rational": ("rational_polynomial", [0.1, -0.05, 1e-3, 2e-4, 0.01, 0.2, -0.02, 0.005]),
    "equidistant": ("equidistant", [-0.02, 0.01, -0.005, 0.001]),
}


def camera(
    model: str = "", coefficients: list[float] | None = None, **changes: object
) -> CameraModel:
    facts: dict[str, object] = {
        "frame_id": "camera_optical",
        "width_px": 640,
        "height_px": 480,
        "k": K,
        "distortion_model": model,
        "distortion": np.array(coefficients or []),
        "rectification": np.eye(3),
        "projection": np.hstack([K, np.zeros((3, 1))]),
    }
    return CameraModel(**(facts | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DISTORTIONS)
def test_projection_agrees_with_opencv(name: str) -> None:
    model, coefficients = DISTORTIONS[name]
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-0.5, 0.5, (50, 2)), rng.uniform(1, 3, 50)])
    if model == "equidistant":
        expected, _ = cv2.fisheye.projectPoints(
            points[:, None], np.zeros(3), np.zeros(3), K, np.array(coefficients)
        )
    else:
        expected, _ = cv2.projectPoints(
            points, np.zeros(3), np.zeros(3), K, np.array(coefficients) if coefficients else None
        )
    projected = camera(model, coefficients).project(points)
    np.testing.assert_allclose(projected.uv_px, expected.reshape(-1, 2), atol=1e-9)
    assert projected.visible.all()


@pytest.mark.parametrize("name", DISTORTIONS)
@given(st.floats(60, 580), st.floats(60, 420), st.floats(0.1, 100))
def test_ray_of_a_pixel_projects_back_to_it(name: str, u: float, v: float, depth_m: float) -> None:
    one = camera(*DISTORTIONS[name])
    uv_px = np.array([[u, v]])
    np.testing.assert_allclose(one.project(depth_m * one.rays(uv_px)).uv_px, uv_px, atol=1e-6)


@pytest.mark.parametrize(
    ("point", "visible"),
    [
        pytest.param([0, 0, 1.0], True, id="ahead"),
        pytest.param([0, 0, -1.0], False, id="behind"),
        pytest.param([0, 0, 0.0], False, id="in-the-lens"),
        pytest.param([np.nan, 0, 1.0], False, id="nan"),
        pytest.param([5, 0, 1.0], False, id="beside"),
        pytest.param([-320.4 / 500, 0, 1.0], True, id="inside-the-first-pixel"),
        pytest.param([-320.6 / 500, 0, 1.0], False, id="left-of-the-first-pixel"),
    ],
)
def test_visibility(point: list[float], visible: bool) -> None:
    assert camera().project(np.array([point])).visible.tolist() == [visible]


def test_no_points_and_wrong_shape() -> None:
    assert camera().project(np.empty((0, 3))).uv_px.shape == (0, 2)
    with pytest.raises(ShapeError, match=r"\[N, 3\], got \[3\]"):
        camera().project(np.zeros(3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"k": np.zeros((3, 3))}, "uncalibrated", id="k-is-zero"),
        pytest.param({"k": np.diag([500.0, -500, 1])}, "focal", id="negative-focal"),
        pytest.param({"distortion_model": "magic"}, "'magic'", id="unknown-model"),
        pytest.param(
            {"distortion_model": "plumb_bob", "distortion": np.zeros(3)},
            "3 coefficients",
            id="count",
        ),
        pytest.param({"width_px": 0}, "0x480", id="no-pixels"),
    ],
)
def test_impossible_cameras_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        camera(**changes)
