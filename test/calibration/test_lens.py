"""Lenses: the same pixels as the rest of the package, right derivatives, rays there and back."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.calibration.camera.lens import EQUIDISTANT, LENSES


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
class TestLens:
    points = np.vstack(
        [np.random.default_rng(0).uniform([-0.8, -0.8, 1.2], [0.8, 0.8, 2.8], (20, 3)), [0, 0, 1]]
    )

    def test_as_the_camera_model(self, lens, truth):
        camera = lens.model(truth[lens], frame_id="c", width_px=640, height_px=480)
        uv_px, _, _ = lens.project(self.points, truth[lens])
        np.testing.assert_allclose(uv_px, camera.project(self.points).uv_px, atol=1e-9)

    def test_derivatives(self, lens, truth):
        _, by_point, by_params = lens.project(self.points, truth[lens])
        step = 1e-6
        for i in range(3):
            move = step * np.eye(3)[i]
            change = lens.project(self.points + move, truth[lens])[0]
            change = change - lens.project(self.points - move, truth[lens])[0]
            np.testing.assert_allclose(by_point[..., i], change / (2 * step), atol=1e-5)
        for i in range(len(lens.names)):
            move = step * np.eye(len(lens.names))[i]
            change = lens.project(self.points, truth[lens] + move)[0]
            change = change - lens.project(self.points, truth[lens] - move)[0]
            np.testing.assert_allclose(by_params[..., i], change / (2 * step), atol=1e-4)

    def test_rays(self, lens, truth):
        uv_px = lens.pixels(self.points, truth[lens])
        rays = lens.rays(uv_px, truth[lens])
        np.testing.assert_allclose(rays[:, :2], self.points[:, :2] / self.points[:, 2:], atol=1e-6)


def test_behind_the_camera(truth):
    behind = np.array([[0.1, 0.2, -1.0]])
    for lens in LENSES.values():
        uv_px, _, _ = lens.project(behind, truth[lens])
        # a fisheye may see it, a pinhole does not
        assert np.isnan(uv_px).all() == (lens is not EQUIDISTANT)


def test_no_ray_where_the_polynomial_folds_back():
    lens = LENSES["plumb_bob"]
    params = np.array([300.0, 300, 320, 240, -0.4, 0.05, 0, 0, 0])
    rays = lens.rays(np.array([[320.0, 240], [620.0, 450]]), params)
    assert lens.covers(np.array([[320.0, 240], [620.0, 450]]), params).tolist() == [True, False]
    assert np.isfinite(rays[0]).all()
    assert np.isnan(rays[1]).all()


def test_what_a_wide_fisheye_covers():
    pixels = np.array([[320.0, 240], [620.0, 240], [640.0, 480]])
    straight = np.array([150.0, 150, 320, 240, 0, 0, 0, 0])
    # two radians off the axis: no ray ahead, but a meaning
    assert EQUIDISTANT.covers(pixels, straight).all()
    assert np.isnan(EQUIDISTANT.rays(pixels, straight)[1]).all()
    folding = np.array([150.0, 150, 320, 240, -0.15, 0, 0, 0])
    assert EQUIDISTANT.covers(pixels, folding).tolist() == [True, False, False]
