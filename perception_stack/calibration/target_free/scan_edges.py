"""Where a scan has edges: places where a surface ends, and where its brightness changes.

Neighbours are looked for by direction from the sensor, so any scanning pattern and any order of
points will do. Edges of one kind that lie on a line in the sensor's view take the normal of that
line and count in full; others, as in a hedge, keep the direction of the step and count little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.target_free.view import View
from perception_stack.datatypes import FloatArray, PointCloud
from perception_stack.geometry.transforms import RigidTransform

NUM_KINDS = 4
"""Ends of surfaces across and along beams; changes of brightness across and along beams."""

_NEAREST_M = 0.5
_NUM_NEIGHBOURS = 10
_ELEVATION_WEIGHT = 1.5  # so that a neighbour on the same beam is preferred to one above
_WIDEST_RAD = np.deg2rad([1.0, 1.0, 2.0, 2.0])  # gaps to left, right, upper, lower neighbour
_JUMP_M, _JUMP_SHARE = 0.3, 0.03
_FLAT_M = 0.15
_SLOPE = (0.03, 0.06)
_CONTRAST = 0.15
_RADIUS_RAD = np.deg2rad(1.5)
_SAME_DEPTH = 0.25
_STRAIGHT, _LEAST_WEIGHT, _ALONG = 0.8, 0.3, 0.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanEdges:
    """Edges of one scan.

    Attributes:
        position_m: float64 [N, 3] in the LiDAR's frame; midway between the directions of the
            two points that the edge lies between, at the depth of the nearer surface.
        normal: float64 [N, 3], unit, across the edge and the line of sight.
        sign: float64 [N], 1 or -1 where brightness rises or falls along ``normal``; 0 where the
            surface ends and nothing is known of brightness.
        weight: float64 [N], in (0, 1].
        kind: int64 [N], below :data:`NUM_KINDS`.
        gap_rad: float64 [N], between the two points, across the edge.
        time_s: float64 [N], when they were measured, from the cloud's stamp; zero where it has no
            times.
    """

    position_m: FloatArray
    normal: FloatArray
    sign: FloatArray
    weight: FloatArray
    kind: NDArray[np.int64]
    gap_rad: FloatArray
    time_s: FloatArray

    def __len__(self) -> int:
        return len(self.position_m)

    def rows(self, picked: slice) -> ScanEdges:
        """The picked edges."""
        return ScanEdges(
            position_m=self.position_m[picked],
            normal=self.normal[picked],
            sign=self.sign[picked],
            weight=self.weight[picked],
            kind=self.kind[picked],
            gap_rad=self.gap_rad[picked],
            time_s=self.time_s[picked],
        )


def edges_in_view(
    cloud: PointCloud, view: View, camera_from_lidar: RigidTransform, *, margin_rad: float
) -> ScanEdges:
    """Edges of the points that a camera sees, or nearly, under a pose."""
    range2_m2 = np.einsum("ni,ni->n", cloud.xyz_m, cloud.xyz_m)
    cloud = cloud.rows((range2_m2 > _NEAREST_M**2) & (range2_m2 < np.inf))  # False for NaN
    seen = camera_from_lidar.apply(cloud.xyz_m.astype(np.float64))
    return find_edges(cloud.rows(view.holds(seen, margin_rad=margin_rad)))


def find_edges(cloud: PointCloud) -> ScanEdges:
    """Edges of a scan; brightness is left out where the sensor gives none.

    Args:
        cloud: Finite points off the origin, in the LiDAR's frame.
    """
    points = cloud.xyz_m.astype(np.float64)
    if len(points) <= _NUM_NEIGHBOURS:
        return _as_edges([])
    range_m = np.linalg.norm(points, axis=1)
    ray = points / range_m[:, None]
    sides = _neighbours(ray)
    time_s = np.zeros(len(ray))
    if cloud.time_offset_s is not None:
        time_s += cloud.time_offset_s
    found = [_ends(ray, range_m, time_s, sides, side) for side in range(4)]
    if cloud.intensity is not None:
        # ranks: sensors differ in unit and law
        order = np.argsort(np.argsort(cloud.intensity, kind="stable"), kind="stable")
        rank = order / len(order)
        found += [_steps(ray, range_m, time_s, rank, sides, side) for side in (0, 2)]
    return _as_edges(found)


_Found = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, NDArray[np.int64]]
"""Direction, range, time, step, sign, label of what may lie on one line."""


def _neighbours(ray: FloatArray) -> NDArray[np.int64]:
    """Nearest point to the left, right, above and below of each, int64 [N, 4]; -1 for none."""
    from perception_stack.calibration.target_free._kernels import nearest, nearest_sides

    elevation = np.arcsin(np.clip(ray[:, 2], -1, 1))
    across = np.arctan2(ray[:, 1], ray[:, 0]) * np.cos(elevation)
    near = nearest(across, _ELEVATION_WEIGHT * elevation, _NUM_NEIGHBOURS)
    return nearest_sides(across, elevation, near)


def _ends(
    ray: FloatArray, range_m: FloatArray, time_s: FloatArray, sides: NDArray[np.int64], side: int
) -> _Found:
    """Where a surface ends towards one side and something farther follows."""
    i, j, back = _triples(sides, side)
    least_m = _JUMP_SHARE * range_m[i]
    jumps = range_m[j] - range_m[i] > _JUMP_M + least_m
    flat = np.abs(range_m[back] - range_m[i]) < _FLAT_M + least_m
    i, j, back = (one[jumps & flat] for one in (i, j, back))
    gap, gap_back = _angle(ray[i], ray[j]), _angle(ray[i], ray[back])
    # the inverse range of a plane is linear in angle: what would it be at j?
    plane = 1 / range_m[i] + (1 / range_m[i] - 1 / range_m[back]) / gap_back * gap
    beyond = plane - 1 / range_m[j] > 0.5 * (1 / range_m[i] - 1 / range_m[j])
    widest = _WIDEST_RAD[side]
    picked = beyond & (plane > 0) & (gap < widest) & (gap_back < widest)
    i, j = i[picked], j[picked]
    middle_s, sign, label = (time_s[i] + time_s[j]) / 2, np.zeros(len(i)), np.full(len(i), side)
    return ray[i] + ray[j], range_m[i], middle_s, ray[j] - ray[i], sign, label


def _steps(  # noqa: PLR0917
    ray: FloatArray,
    range_m: FloatArray,
    time_s: FloatArray,
    rank: FloatArray,
    sides: NDArray[np.int64],
    side: int,
) -> _Found:
    """Where the brightness of one surface changes by more than it does on either hand."""
    i, j, back = _triples(sides, side)
    onward = sides[j, side]
    # rows that lack one are left out below
    rise = (rank[j] + rank[onward] - rank[i] - rank[back]) / 2
    noise = (np.abs(rank[i] - rank[back]) + np.abs(rank[j] - rank[onward])) / 2
    slope = _SLOPE[side // 2] * range_m[i]
    same = np.abs(range_m[j] - range_m[i]) < 0.1 + slope
    strong = (np.abs(rise) - noise > _CONTRAST) & same & (onward >= 0)
    i, j, back, rise = (one[strong] for one in (i, j, back, rise))
    widest = _WIDEST_RAD[side]
    near = (_angle(ray[i], ray[j]) < widest) & (_angle(ray[i], ray[back]) < widest)
    i, j, sign = i[near], j[near], np.sign(rise[near])
    label = (10 + 2 * side + sign).astype(np.int64)
    middle_m, middle_s = (range_m[i] + range_m[j]) / 2, (time_s[i] + time_s[j]) / 2
    return ray[i] + ray[j], middle_m, middle_s, ray[j] - ray[i], sign, label


def _triples(
    sides: NDArray[np.int64], side: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Points with a neighbour on one side and on the opposite one, and these."""
    i = np.flatnonzero((sides[:, side] >= 0) & (sides[:, side ^ 1] >= 0))
    return i, sides[i, side], sides[i, side ^ 1]


def _angle(a: FloatArray, b: FloatArray) -> FloatArray:
    """Angle between unit vectors that are close, by their chord."""
    return np.asarray(np.linalg.norm(a - b, axis=1))


def _as_edges(found: list[_Found]) -> ScanEdges:
    """Edges of what was found, with lines looked for in each label."""
    if not sum(len(one[0]) for one in found):
        none = np.empty(0)
        return ScanEdges(
            position_m=np.empty((0, 3)),
            normal=np.empty((0, 3)),
            sign=none,
            weight=none,
            kind=np.empty(0, dtype=np.int64),
            gap_rad=none,
            time_s=none,
        )
    ray, range_m, time_s, step, sign, label = (
        np.concatenate(part) for part in zip(*found, strict=True)
    )
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    gap_rad = np.linalg.norm(step, axis=1)
    step /= gap_rad[:, None]
    normal, straight = _line_normals(ray, range_m, label)
    cosine = np.einsum("ni,ni->n", normal, step)
    on_line = (straight > _STRAIGHT) & (np.abs(cosine) > _ALONG)
    weight = np.where(on_line, (straight - _STRAIGHT) / (1 - _STRAIGHT), 0)
    return ScanEdges(
        position_m=ray * range_m[:, None],
        normal=np.where(on_line[:, None], normal * np.sign(cosine)[:, None], step),
        sign=sign,
        weight=np.maximum(weight, _LEAST_WEIGHT),
        kind=np.where(label < 4, label // 2, np.where(label < 13, 2, 3)),
        gap_rad=gap_rad * np.where(on_line, np.abs(cosine), 1),
        time_s=time_s,
    )


def _line_normals(
    ray: FloatArray, range_m: FloatArray, label: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Normal of the line through the edges around each, and in [0, 1] how straight it is."""
    from perception_stack.calibration.target_free._kernels import fit_lines

    elevation = np.arcsin(np.clip(ray[:, 2], -1, 1))
    azimuth = np.arctan2(ray[:, 1], ray[:, 0])
    across = azimuth * np.cos(elevation)
    flat, straight = fit_lines(
        across, elevation, range_m, label.astype(np.int64), _RADIUS_RAD, _SAME_DEPTH
    )
    east = np.column_stack([-np.sin(azimuth), np.cos(azimuth), 0 * azimuth])
    north = np.cross(ray, east)
    return flat[:, :1] * east + flat[:, 1:] * north, straight
