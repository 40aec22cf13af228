"""The plane that things stand on in a depth image: table, floor or road.

It is what most of the image lies on. Things stand out of it, and their boxes are built upright to
it. A wall filling the image serves as well: the things before it stand out of the wall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray

_NUM_HYPOTHESES = 150
_LEAST_SHARE = 0.15
_SAMPLE = 4000
_LEAST_POINTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """Points with ``normal @ p == offset_m``; the camera, at the origin, is on the upper side.

    Attributes:
        normal: float64 [3], unit, upwards.
        offset_m: Not positive.
        share: Of the points it was found among, how many lie on it.
    """

    normal: FloatArray
    offset_m: float
    share: float

    def height_m(self, points_m: FloatArray) -> FloatArray:
        """Height of points above the plane, float64 [N]."""
        height: FloatArray = points_m @ self.normal - self.offset_m
        return height


def find_support(points_m: FloatArray, tolerance_m: FloatArray) -> Plane | None:
    """The plane with most points (RANSAC with a fixed seed, then least squares).

    Args:
        points_m: float64 [N, 3], all over the image.
        tolerance_m: float64 [N], how far off the plane each may be.

    Returns:
        None where no plane holds 15 % of the points.
    """
    if len(points_m) < _LEAST_POINTS:
        return None
    stride = len(points_m) // _SAMPLE + 1
    points_m, tolerance_m = points_m[::stride], tolerance_m[::stride]
    random = np.random.default_rng(0)
    corners = points_m[random.integers(len(points_m), size=(_NUM_HYPOTHESES, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1)
    usable = length > 1e-9
    if not usable.any():
        return None
    normals = normals[usable] / length[usable, None]
    offsets_m = np.einsum("hi,hi->h", normals, corners[usable, 0])
    off_m = np.abs(points_m @ normals.T - offsets_m)
    best = int(np.argmax(np.count_nonzero(off_m <= tolerance_m[:, None], axis=0)))
    on_plane = off_m[:, best] <= tolerance_m
    for _ in range(2):
        share = np.count_nonzero(on_plane) / len(points_m)
        if share < _LEAST_SHARE:
            return None
        plane = _fit(points_m[on_plane], share)
        on_plane = np.abs(plane.height_m(points_m)) <= tolerance_m
    return plane


def _fit(points_m: FloatArray, share: float) -> Plane:
    middle = points_m.mean(axis=0)
    _, axes = np.linalg.eigh((points_m - middle).T @ (points_m - middle))
    normal = axes[:, 0]
    offset_m = float(normal @ middle)
    if offset_m > 0:
        normal, offset_m = -normal, -offset_m
    return Plane(normal=normal, offset_m=offset_m, share=share)
