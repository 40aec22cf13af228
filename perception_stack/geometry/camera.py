"""Camera models of ``sensor_msgs/CameraInfo``: points to pixels and pixels to rays.

``K`` and ``D`` describe the raw image and are what this module projects with; ``R`` and ``P``
belong to the rectified image and are only carried along (REP 104).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_shape
from perception_stack.errors import CalibrationError

NUM_COEFFICIENTS = {
    "": (0,),
    "plumb_bob": (0, 4, 5),
    "rational_polynomial": (8,),
    "equidistant": (4,),
}
_UNDISTORT_ITERATIONS = 20
_NO_BEND = (0.0,) * 4
_NEAREST_DEPTH_M = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedPoints:
    """Where points fall in an image; row i belongs to input row i.

    Attributes:
        uv_px: float64 [N, 2]; NaN for points that are not in front of the camera.
        depth_m: float64 [N], along the optical axis.
        visible: bool [N], in front of the camera and inside the image.
    """

    uv_px: FloatArray
    depth_m: FloatArray
    visible: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraModel:
    """Intrinsic calibration of one camera.

    Attributes:
        frame_id: Optical frame (x right, y down, z ahead).
        width_px: Width of the raw image.
        height_px: Height of the raw image.
        k: float64 [3, 3], intrinsic matrix of the raw image.
        distortion_model: A key of :data:`NUM_COEFFICIENTS`; empty means none.
        distortion: float64 [n], coefficients in OpenCV's order.
        rectification: float64 [3, 3], ``R``.
        projection: float64 [3, 4], ``P``.

    Raises:
        CalibrationError: ``K[0] == 0`` (uncalibrated by convention), a focal length that is not
            positive, an unknown distortion model or a wrong number of coefficients.
    """

    frame_id: str
    width_px: int
    height_px: int
    k: FloatArray
    distortion_model: str
    distortion: FloatArray
    rectification: FloatArray
    projection: FloatArray

    def __post_init__(self) -> None:
        check_shape("k", self.k, 3, 3)
        check_shape("rectification", self.rectification, 3, 3)
        check_shape("projection", self.projection, 3, 4)
        name = f"camera '{self.frame_id}'"
        if self.k[0, 0] == 0:
            raise CalibrationError(f"{name} is uncalibrated (K[0] is 0)")
        focal = self.k[[0, 1], [0, 1]]
        if not (np.isfinite(self.k).all() and (focal > 0).all()):
            raise CalibrationError(f"{name}: focal lengths {focal} are not positive and finite")
        if self.distortion_model not in NUM_COEFFICIENTS:
            known = ", ".join(filter(None, NUM_COEFFICIENTS))
            text = f"distortion model '{self.distortion_model}' is not one of {known}"
            raise CalibrationError(f"{name}: {text}")
        if len(self.distortion) not in NUM_COEFFICIENTS[self.distortion_model]:
            text = f"{len(self.distortion)} coefficients do not fit '{self.distortion_model}'"
            raise CalibrationError(f"{name}: {text}")
        if self.width_px <= 0 or self.height_px <= 0:
            raise CalibrationError(f"{name}: image size {self.width_px}x{self.height_px}")

    @classmethod
    def pinhole(
        cls, *, frame_id: str, width_px: int, height_px: int, k: FloatArray
    ) -> CameraModel:
        """A camera without distortion, raw image and rectified image being the same."""
        return cls(
            frame_id=frame_id,
            width_px=width_px,
            height_px=height_px,
            k=k,
            distortion_model="",
            distortion=np.empty(0),
            rectification=np.eye(3),
            projection=np.hstack([k, np.zeros((3, 1))]),
        )

    def project(self, points_m: FloatArray) -> ProjectedPoints:
        """Pixels of points in the optical frame.

        Rows stay aligned, also for points behind the camera or outside of the image, which only
        get ``visible=False``.

        Args:
            points_m: float [N, 3], metres, in :attr:`frame_id`; NaN rows are not visible.

        Raises:
            ShapeError: ``points_m`` is not [N, 3].
        """
        check_shape("points_m", points_m, None, 3)
        points = np.asarray(points_m, dtype=np.float64)
        depth_m = points[:, 2]
        ahead = depth_m > _NEAREST_DEPTH_M  # False for NaN
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            xy = np.where(ahead[:, None], points[:, :2] / depth_m[:, None], np.nan)
            uv_px = self._distort(xy) @ self.k[:2, :2].T + self.k[:2, 2]
        # a pixel covers half a pixel around its centre
        size = np.array([self.width_px, self.height_px])
        visible = ahead & ((uv_px >= -0.5) & (uv_px < size - 0.5)).all(axis=1)
        return ProjectedPoints(uv_px=uv_px, depth_m=depth_m, visible=visible)

    def rays(self, uv_px: FloatArray) -> FloatArray:
        """Directions that pixels look in, scaled to depth 1: ``depth_m * rays`` are points.

        Args:
            uv_px: float64 [N, 2].

        Returns:
            float64 [N, 3] in the optical frame, z is 1.
        """
        check_shape("uv_px", uv_px, None, 2)
        y = (uv_px[:, 1] - self.k[1, 2]) / self.k[1, 1]
        x = (uv_px[:, 0] - self.k[0, 2] - self.k[0, 1] * y) / self.k[0, 0]
        xy = self._undistort(np.stack([x, y], axis=1))
        return np.column_stack([xy, np.ones(len(xy))])

    def _distort(self, xy: FloatArray) -> FloatArray:
        """Ideal to distorted normalised coordinates (OpenCV's pinhole and fisheye models)."""
        if self.distortion_model == "" or len(self.distortion) == 0:
            return xy
        if self.distortion_model == "equidistant":
            radius = np.linalg.norm(xy, axis=1)
            theta = np.arctan(radius)
            square = theta**2
            k1, k2, k3, k4 = self.distortion
            bent = theta * (1 + square * (k1 + square * (k2 + square * (k3 + square * k4))))
            scale = np.where(radius > 1e-12, bent / np.maximum(radius, 1e-12), 1.0)
            return xy * scale[:, None]
        k1, k2, p1, p2, k3, k4, k5, k6 = (*self.distortion, *_NO_BEND)[:8]
        x, y = xy.T
        r2 = x * x + y * y
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        return np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            ],
            axis=1,
        )

    def _undistort(self, distorted: FloatArray) -> FloatArray:
        """Inverse of :meth:`_distort` by Newton steps with a numerical Jacobian."""
        if self.distortion_model == "" or len(self.distortion) == 0:
            return distorted
        xy = distorted.copy()
        step = 1e-6
        for _ in range(_UNDISTORT_ITERATIONS):
            both = np.concatenate([xy, xy + np.array([step, 0]), xy + np.array([0, step])])
            here, right, below = self._distort(both).reshape(3, -1, 2)
            dx, dy = (right - here) / step, (below - here) / step
            miss = distorted - here
            det = dx[:, 0] * dy[:, 1] - dy[:, 0] * dx[:, 1]
            det = np.where(np.abs(det) < 1e-12, 1.0, det)
            xy[:, 0] += (miss[:, 0] * dy[:, 1] - miss[:, 1] * dy[:, 0]) / det
            xy[:, 1] += (miss[:, 1] * dx[:, 0] - miss[:, 0] * dx[:, 1]) / det
            if np.abs(miss).max(initial=0.0) < 1e-12:
                break
        return xy
