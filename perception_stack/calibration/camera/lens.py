"""Camera models as functions of their parameters, with derivatives by points and parameters.

The models are those of ``sensor_msgs/CameraInfo`` and OpenCV; :class:`CameraModel` projects with
fixed parameters, here they are what is sought. Parameters are fx, fy, cx, cy and then the
coefficients in OpenCV's order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.camera import CameraModel

_NEAREST = 1e-9
_RAY_TOLERANCE_PX = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """A kind of camera.

    Attributes:
        distortion_model: Its name in ``CameraInfo``.
        coefficients: Names of the coefficients.
    """

    distortion_model: str
    coefficients: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of all parameters."""
        return ("fx", "fy", "cx", "cy", *self.coefficients)

    def project(
        self, points_m: FloatArray, params: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Pixels of points in the optical frame.

        Args:
            points_m: float64 [N, 3].
            params: float64 [P].

        Returns:
            uv_px float64 [N, 2], NaN where the model has no image of the point; derivatives by the
            point, [N, 2, 3], and by the parameters, [N, 2, P].
        """
        bend = _bend_fisheye if self is EQUIDISTANT else _bend_pinhole
        # coordinates come first until the end: numpy is fast along the last axis
        xy, by_point, by_coefficients = bend(np.ascontiguousarray(points_m.T), params[4:])
        focal = params[:2, None]
        by_params = np.zeros((len(params), *xy.shape))
        by_params[0, 0], by_params[1, 1] = xy
        by_params[2, 0] = by_params[3, 1] = 1.0
        by_params[4:] = focal * by_coefficients
        uv_px = xy * focal + params[2:4, None]
        return uv_px.T, (focal * by_point).transpose(2, 1, 0), by_params.transpose(2, 1, 0)

    def pixels(self, points_m: FloatArray, params: FloatArray) -> FloatArray:
        """Pixels alone, float64 [N, 2], of points [N, 3]; NaN where there is no image."""
        camera = self.model(params, frame_id="camera", width_px=1, height_px=1)
        return camera.project(points_m).uv_px

    def rays(self, uv_px: FloatArray, params: FloatArray) -> FloatArray:
        """Directions of pixels [N, 2], float64 [N, 3], z is 1; NaN where there is none."""
        camera = self.model(params, frame_id="camera", width_px=1, height_px=1)
        with np.errstate(all="ignore"):
            rays = camera.rays(uv_px)
            missed = np.abs(camera.project(rays).uv_px - uv_px).max(axis=1)
        return np.where((missed < _RAY_TOLERANCE_PX)[:, None], rays, np.nan)

    def covers(self, uv_px: FloatArray, params: FloatArray) -> NDArray[np.bool_]:
        """Whether the model has a meaning at pixels [N, 2], bool [N].

        A polynomial may fold back on its way to the edge of the image; beyond, it has none. What a
        fisheye sees from the side on (:meth:`rays` knows none there) has one.
        """
        if self is not EQUIDISTANT:
            covered: NDArray[np.bool_] = np.isfinite(self.rays(uv_px, params)[:, 0])
            return covered
        angle = np.linspace(0, np.pi, 181)[:, None]
        radius = angle[:, 0] + angle ** np.array([3, 5, 7, 9]) @ params[4:]
        folds = np.flatnonzero(np.diff(radius) <= 0)
        farthest = radius[folds[0]] if len(folds) else np.inf
        away: NDArray[np.bool_] = (
            np.linalg.norm((uv_px - params[2:4]) / params[:2], axis=1) <= farthest
        )
        return away

    def model(
        self, params: FloatArray, *, frame_id: str, width_px: int, height_px: int
    ) -> CameraModel:
        """The camera as the rest of the package knows it; the rectified image has the same K."""
        k = np.array([[params[0], 0, params[2]], [0, params[1], params[3]], [0, 0, 1.0]])
        return CameraModel(
            frame_id=frame_id,
            width_px=width_px,
            height_px=height_px,
            k=k,
            distortion_model=self.distortion_model,
            distortion=params[4:].copy(),
            rectification=np.eye(3),
            projection=np.hstack([k, np.zeros((3, 1))]),
        )


PLUMB_BOB = Lens(distortion_model="plumb_bob", coefficients=("k1", "k2", "p1", "p2", "k3"))
RATIONAL = Lens(
    distortion_model="rational_polynomial",
    coefficients=("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
)
EQUIDISTANT = Lens(distortion_model="equidistant", coefficients=("k1", "k2", "k3", "k4"))
# the simplest first
LENSES = {one.distortion_model: one for one in (PLUMB_BOB, EQUIDISTANT, RATIONAL)}


def _bend_pinhole(
    points_m: FloatArray, coefficients: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of points [3, N]: bent coordinates [2, N]; derivatives [3, 2, N] and [C, 2, N]."""
    x, y, z = points_m
    nearness = 1 / np.where(z > _NEAREST, z, np.nan)
    x, y = x * nearness, y * nearness
    k1, k2, p1, p2, k3, k4, k5, k6 = (*coefficients, 0.0, 0.0, 0.0)[:8]
    r2 = x * x + y * y
    r4 = r2 * r2
    r6 = r2 * r4
    below = 1 + k4 * r2 + k5 * r4 + k6 * r6
    radial = (1 + k1 * r2 + k2 * r4 + k3 * r6) / below
    slope = (  # by r2
        k1 + 2 * k2 * r2 + 3 * k3 * r4 - radial * (k4 + 2 * k5 * r2 + 3 * k6 * r4)
    ) / below
    xy2, side_x, side_y = 2 * x * y, r2 + 2 * x * x, r2 + 2 * y * y
    bent = [x * radial + p1 * xy2 + p2 * side_x, y * radial + p1 * side_y + p2 * xy2]
    across = (xy2 * slope + 2 * p1 * x + 2 * p2 * y) * nearness
    xx = (radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x) * nearness
    yy = (radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x) * nearness
    by_point = [[xx, across], [across, yy], [-(xx * x + across * y), -(across * x + yy * y)]]
    up = np.array([x, y]) / below
    by_coefficients = [up * r2, up * r4, [xy2, side_y], [side_x, xy2], up * r6]
    if len(coefficients) == 8:
        down = -radial * up
        by_coefficients += [down * r2, down * r4, down * r6]
    return np.array(bent), np.array(by_point), np.array(by_coefficients)


def _bend_fisheye(
    points_m: FloatArray, coefficients: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Kannala and Brandt (2006): the distance from the centre is a polynomial of the angle."""
    x, y, z = points_m
    flat = np.hypot(x, y)
    away = np.maximum(flat, 1e-12)
    angle = np.arctan2(flat, z)
    powers = angle ** np.array([[3], [5], [7], [9]])
    radius = angle + coefficients @ powers
    slope = 1 + (coefficients * [3, 5, 7, 9]) @ angle ** np.array([[2], [4], [6], [8]])
    direction = points_m[:2] / away
    # on the axis the image is that of a pinhole
    on_axis = flat < 1e-9 * np.abs(z)
    ratio = np.where(on_axis, 1 / np.where(on_axis, z, 1.0), radius / away)
    square = np.maximum(flat**2 + z**2, 1e-300)
    along = slope * z / square  # d radius / d flat
    by_point = np.empty((3, 2, len(x)))
    by_point[:2] = (along - ratio) * direction[:, None] * direction
    by_point[0, 0] += ratio
    by_point[1, 1] += ratio
    by_point[2] = direction * (-slope * flat / square)
    return direction * radius, by_point, direction * powers[:, None]
