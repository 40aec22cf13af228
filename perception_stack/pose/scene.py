"""What a camera or a LiDAR measured, as a depth map of a camera without distortion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import DepthImage, FloatArray, check_shape
from perception_stack.geometry.camera import CameraModel

_NORMAL_RADIUS_M = 0.012
STRIDE = 2
"""Pixels from one normal to the next."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One frame.

    Attributes:
        frame_id: Optical frame.
        stamp_ns: Of the measurement.
        depth_m: float32 [H, W], NaN where not measured.
        pinhole: float64 [4], fx, fy, cx, cy.
        normals: float32 [h, w, 3], towards the camera, of every :data:`STRIDE`-th pixel; NaN where
            there is no surface.
        rgb: uint8 [H, W, 3], colours at the same pixels; [0, 0, 3] where there are none.
    """

    frame_id: str
    stamp_ns: int
    depth_m: NDArray[np.float32]
    pinhole: FloatArray
    normals: NDArray[np.float32]
    rgb: NDArray[np.uint8]

    @classmethod
    def of(
        cls, depth: DepthImage, camera: CameraModel, *, bgr: NDArray[np.uint8] | None = None
    ) -> Scene:
        """The frame of a depth image, undistorted if need be.

        Args:
            depth: Zero, infinite and NaN where not measured.
            camera: Of it.
            bgr: uint8 [H, W, 3] colours of the same pixels.

        Raises:
            ShapeError: depth or colour are not of the camera's size.
        """
        check_shape("depth_m", depth.depth_m, camera.height_px, camera.width_px)
        depth_m = depth.depth_m.astype(np.float32)
        depth_m[~((depth_m > 0) & (depth_m < np.inf))] = np.nan
        rgb = np.empty((0, 0, 3), dtype=np.uint8)
        if bgr is not None:
            check_shape("bgr", bgr, camera.height_px, camera.width_px, 3)
            rgb = bgr[:, :, ::-1]
        if camera.distortion.any():
            depth_m, rgb = undistorted(depth_m, camera), undistorted(rgb, camera)
        return cls.of_map(
            depth_m,
            camera.k[[0, 1, 0, 1], [0, 1, 2, 2]],
            frame_id=depth.frame_id,
            stamp_ns=depth.stamp_ns,
            rgb=rgb,
        )

    @classmethod
    def of_map(
        cls,
        depth_m: NDArray[np.float32],
        pinhole: FloatArray,
        *,
        frame_id: str,
        stamp_ns: int,
        rgb: NDArray[np.uint8],
    ) -> Scene:
        """The frame of a depth map."""
        from perception_stack.pose._kernels import estimate_normals

        depth_m = np.ascontiguousarray(depth_m)
        pinhole = np.ascontiguousarray(pinhole, dtype=np.float64)
        return cls(
            frame_id=frame_id,
            stamp_ns=stamp_ns,
            depth_m=depth_m,
            pinhole=pinhole,
            normals=estimate_normals(depth_m, pinhole, _NORMAL_RADIUS_M, STRIDE),
            rgb=np.ascontiguousarray(rgb),
        )

    def points_at(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> FloatArray:
        """Points of pixels, float64 [N, 3]; NaN where not measured."""
        fx, fy, cx, cy = self.pinhole
        z = self.depth_m[rows, cols].astype(np.float64)
        return np.stack([(cols - cx) / fx * z, (rows - cy) / fy * z, z], axis=1)

    def normals_at(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> FloatArray:
        """Normals of pixels, float64 [N, 3]; NaN where there is no surface."""
        return self.normals[rows // STRIDE, cols // STRIDE].astype(np.float64)

    def project(self, points_m: FloatArray) -> FloatArray:
        """Pixels of points [..., 3], float64 [..., 2]; NaN behind the camera."""
        fx, fy, cx, cy = self.pinhole
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(points_m[..., 2] > 1e-6, points_m[..., 2], np.nan)
            return np.stack(
                [fx * points_m[..., 0] / z + cx, fy * points_m[..., 1] / z + cy], axis=-1
            )

    def pixels_of(
        self, points_m: FloatArray
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Rows and columns of the points [N, 3] in view, and which of them are, bool [N]."""
        height, width = self.depth_m.shape
        uv_px = np.rint(self.project(points_m))
        inside = np.asarray(((uv_px >= 0) & (uv_px < (width, height))).all(axis=1))
        cols, rows = uv_px[inside].astype(np.intp).T
        return rows, cols, inside


def undistorted(image: NDArray[Any], camera: CameraModel) -> NDArray[Any]:
    """An image as a camera with the same matrix but no distortion takes it; nearest pixels."""
    if not image.size:
        return image
    v, u = np.mgrid[: camera.height_px, : camera.width_px].reshape(2, -1)
    rays = np.column_stack(
        [
            (u - camera.k[0, 2]) / camera.k[0, 0],
            (v - camera.k[1, 2]) / camera.k[1, 1],
            np.ones(len(u)),
        ]
    )
    col, row = np.rint(camera.project(rays).uv_px).astype(np.intp).T
    inside = (row >= 0) & (row < camera.height_px) & (col >= 0) & (col < camera.width_px)
    flat = np.zeros((len(u), *image.shape[2:]), dtype=image.dtype)
    if np.issubdtype(image.dtype, np.floating):
        flat[:] = np.nan
    flat[inside] = image[row[inside], col[inside]]
    return flat.reshape(image.shape)
