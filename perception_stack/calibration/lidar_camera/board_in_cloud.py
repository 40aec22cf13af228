"""A board of known size in a scan of any number of beams.

Clusters that stand free, are flat and of about the board's extent are candidates. An edge of the
board lies between the last point of a beam on it and the next one beyond; a rectangle of the known
size is fitted to the ends of all beams in the plane, half a step outside of them, that leaves no
point outside. A board that hangs by a corner is fixed in both directions, one that hangs upright
only as well as beams lie close together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.points import drawn_planes
from perception_stack.calibration.lidar_camera.boards import BoardPoses
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError

_FARTHEST_M = 8.0
_LINK_M = 0.25
_GROUND_M = 0.1
_THICKEST_M = 0.05
_SMALLEST, _LARGEST = 0.5, 1.15
"""Extents of a cluster over the board's diagonal."""
_LEAST_POINTS = 20
_LEAST_BEAMS = 3
_LEAST_FILLED = 0.6
"""Share of the board that its points span."""
_RING_GAP_RAD = np.deg2rad(0.1)
_OUTSIDE = 5.0
_NUM_ANGLES = 12
_WORST_FIT_M = 0.06


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Flat:
    """A cluster seen along its normal."""

    center_m: FloatArray
    axes: FloatArray
    uv_m: FloatArray
    end_uv_m: FloatArray
    step_m: FloatArray


def find_board(
    points_m: FloatArray, size_m: tuple[float, float], *, ring: NDArray[np.integer] | None = None
) -> BoardPoses:
    """The one board of a scan.

    Args:
        points_m: float64 [N, 3] in the LiDAR's frame; NaN is passed over.
        size_m: Both sides of the board.
        ring: int [N], beam of each point; found from the elevations if not given.

    Raises:
        CalibrationError: nothing in the scan is like the board; says what came nearest.
    """
    finite = np.isfinite(points_m).all(axis=1)
    points = np.asarray(points_m[finite], dtype=np.float64)
    beams = _rings(points) if ring is None else np.asarray(ring)[finite]
    step_rad = _azimuth_step_rad(points, beams)
    near = np.linalg.norm(points, axis=1) < _FARTHEST_M
    near &= ~_on_ground(points)
    points, beams = points[near], beams[near]
    found, fits = [], []
    for rows in _clusters(points):
        flat = _flattened(points[rows], beams[rows], size_m, step_rad)
        if flat is None:
            continue
        place, misfit_m = _fitted(flat, size_m)
        fits.append(misfit_m)
        found.append(_pose(flat, place))
    if not fits or min(fits) > _WORST_FIT_M:
        nearest = f"; the nearest of {len(fits)} misses it by {min(fits):.2f} m" if fits else ""
        raise CalibrationError(
            f"no free-standing board of {size_m[0]:.2f} x {size_m[1]:.2f} m within "
            f"{_FARTHEST_M:.0f} m{nearest}"
        )
    best = int(np.argmin(fits))
    rotation, center = found[best]
    return BoardPoses(
        rotation=rotation[None], center_m=center[None], misfit_m=np.array([fits[best]])
    )


def _rings(points: FloatArray) -> NDArray[np.intp]:
    elevation = np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1]))
    order = np.argsort(elevation)
    ring = np.empty(len(points), dtype=np.intp)
    ring[order] = np.cumsum(
        np.diff(elevation[order], prepend=elevation[order][:1]) > _RING_GAP_RAD
    )
    return ring


def _azimuth_step_rad(points: FloatArray, ring: NDArray[np.integer]) -> float:
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    order = np.lexsort([azimuth, ring])
    gaps = np.diff(azimuth[order])[np.diff(ring[order]) == 0]
    gaps = gaps[gaps > 1e-6]
    return float(np.median(gaps)) if len(gaps) else 0.0


def _on_ground(points: FloatArray) -> NDArray[np.bool_]:
    """Points near the plane that most points within 8 m lie on, below the LiDAR."""
    low = points[(points[:, 2] < 0) & (np.linalg.norm(points, axis=1) < 2 * _FARTHEST_M)]
    if len(low) < _LEAST_POINTS:
        return np.zeros(len(points), dtype=np.bool_)
    normal, offset, distance_m = drawn_planes(low, most_points=2000, num=300)
    votes = (distance_m < _GROUND_M / 2).sum(axis=0)
    best = int(np.argmax(votes * (np.abs(normal[:, 2]) > 0.7)))
    ground: NDArray[np.bool_] = np.abs(points @ normal[best] - offset[best]) < _GROUND_M
    return ground


def _clusters(points: FloatArray) -> list[NDArray[np.intp]]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if not len(points):
        return []
    pairs = cKDTree(points).query_pairs(_LINK_M, output_type="ndarray")
    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points)))
    _, label = connected_components(graph, directed=False)
    order = np.argsort(label, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return [part for part in parts if len(part) >= _LEAST_POINTS]


def _flattened(
    points: FloatArray, ring: NDArray[np.integer], size_m: tuple[float, float], step_rad: float
) -> _Flat | None:
    """The cluster in its plane; None if it is no candidate."""
    from scipy.spatial import ConvexHull

    diagonal = float(np.hypot(*size_m))
    center = points.mean(axis=0)
    _, spread, axes = np.linalg.svd(points - center, full_matrices=False)
    extent = np.ptp((points - center) @ axes.T, axis=0)
    thick = spread[2] / np.sqrt(len(points))
    if thick > _THICKEST_M or not _SMALLEST * diagonal < extent[0] < _LARGEST * diagonal:
        return None
    # again without what does not lie in the plane
    flat = np.abs((points - center) @ axes[2]) < max(3 * thick, 0.01)
    points, ring = points[flat], ring[flat]
    center = points.mean(axis=0)
    axes = np.linalg.svd(points - center, full_matrices=False)[2]
    axes[2] *= -np.sign(axes[2] @ center)  # towards the sensor
    axes[1] = np.cross(axes[2], axes[0])
    uv = (points - center) @ axes[:2].T
    if ConvexHull(uv).volume < _LEAST_FILLED * size_m[0] * size_m[1]:  # the area, in a plane
        return None
    ends, steps = [], []
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    azimuth = (azimuth - np.arctan2(center[1], center[0]) + np.pi) % (2 * np.pi) - np.pi
    for one in np.unique(ring):
        rows = np.flatnonzero(ring == one)
        for row in (rows[np.argmin(azimuth[rows])], rows[np.argmax(azimuth[rows])]):
            ends.append(uv[row])
            steps.append(step_rad * np.linalg.norm(points[row]))
    if len(ends) < 2 * _LEAST_BEAMS:
        return None
    return _Flat(
        center_m=center, axes=axes, uv_m=uv, end_uv_m=np.array(ends), step_m=np.array(steps)
    )


def _fitted(flat: _Flat, size_m: tuple[float, float]) -> tuple[FloatArray, float]:
    """Place u, v and angle of the rectangle, and the misfit of the ends of beams."""
    from scipy.optimize import least_squares

    half = np.array([max(size_m), min(size_m)]) / 2
    middle = (flat.uv_m.min(axis=0) + flat.uv_m.max(axis=0)) / 2

    def residuals(place: FloatArray) -> FloatArray:
        inside = _inside(flat.end_uv_m, place, half).min(axis=1) - flat.step_m / 2
        outside = np.minimum(_inside(flat.uv_m, place, half).min(axis=1), 0)
        return np.concatenate([inside, _OUTSIDE * outside / np.sqrt(len(outside))])

    best, misfit_m = np.zeros(3), np.inf
    for angle in np.arange(_NUM_ANGLES) * np.pi / _NUM_ANGLES:
        start = np.array([*middle, angle])
        fit = least_squares(residuals, start, loss="soft_l1", f_scale=0.01, max_nfev=40)
        size = float(np.sqrt(np.mean(fit.fun**2)))
        if size < misfit_m:
            best, misfit_m = fit.x, size
    return best, misfit_m


def _inside(uv: FloatArray, place: FloatArray, half: FloatArray) -> FloatArray:
    """Distance of points from the nearer edge of each direction, negative outside, [N, 2]."""
    cos, sin = np.cos(place[2]), np.sin(place[2])
    own = (uv - place[:2]) @ np.array([[cos, -sin], [sin, cos]])
    distance: FloatArray = half - np.abs(own)
    return distance


def _pose(flat: _Flat, place: FloatArray) -> tuple[FloatArray, FloatArray]:
    cos, sin = np.cos(place[2]), np.sin(place[2])
    along = cos * flat.axes[0] + sin * flat.axes[1]
    rotation = np.column_stack([along, np.cross(flat.axes[2], along), flat.axes[2]])
    return rotation, flat.center_m + place[:2] @ flat.axes[:2]
