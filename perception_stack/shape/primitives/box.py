"""Boxes: upright ones of any yaw, and those that lean as their faces do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, ShapeKind
from perception_stack.shape.primitives.record import Fit, Seen
from perception_stack.shape.primitives.robust import (
    BIAS_M,
    SETTLED,
    covariance,
    face_variance,
    solve,
    tukey,
)
from perception_stack.shape.surfaces import SurfacePoints, merged, sheet_points

_NUM_YAWS = 30
_OF_FACE = 0.85  # cosine of normal and axis
_LEAST_FACE = 0.03  # of the points
_STEPS = 5
_SAME = np.cos(np.deg2rad(20.0))
_LEANS = np.cos(np.deg2rad(6.0))
_REST_M = 0.002
_LEAST_M = 0.002
_HIDDEN = 0.25  # deviation of an end that nothing shows, relative to the extent assumed
_ASSUMED = 0.5  # extent of what shows one face only, relative to the lesser side of that face


def fit_boxes(seen: Seen) -> list[Fit]:
    """An upright one by its footprint, one by its walls, and one that leans, if the faces do."""
    starts = [_yawed(_least_footprint(seen.raw_m))]
    by_walls = _wall_yaw(seen.normals)
    if by_walls is not None:
        starts.append(_yawed(by_walls))
    fits = [_refined(seen, one, upright=True) for one in starts]
    leaning = _leaning(seen.normals)
    if leaning is not None:
        fits.append(_refined(seen, leaning, upright=False))
    return fits


def _yawed(yaw_rad: float) -> FloatArray:
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _least_footprint(points_m: FloatArray) -> float:
    yaw = np.arange(_NUM_YAWS) * (np.pi / 2) / _NUM_YAWS
    c, s = np.cos(yaw), np.sin(yaw)
    a = points_m[:, :1] * c + points_m[:, 1:2] * s
    b = points_m[:, 1:2] * c - points_m[:, :1] * s
    extents = [np.ptp(np.percentile(one, [1, 99], axis=0), axis=0) for one in (a, b)]
    return float(yaw[np.argmin(extents[0] * extents[1])])


def _wall_yaw(normals: FloatArray) -> float | None:
    """The yaw that most walls agree on, up to quarter turns."""
    level = np.hypot(normals[:, 0], normals[:, 1])
    wall = level > _OF_FACE
    if np.count_nonzero(wall) < _LEAST_FACE * len(normals):
        return None
    angle = 4 * np.arctan2(normals[wall, 1], normals[wall, 0])
    return float(np.arctan2(np.sin(angle).sum(), np.cos(angle).sum()) / 4)


def _leaning(normals: FloatArray) -> FloatArray | None:
    """Axes of the two largest faces, unless one of them is level or all are upright."""
    same = normals @ normals.T > _SAME
    first = normals[same[np.argmax(same.sum(axis=1))]].mean(axis=0)
    first /= np.linalg.norm(first)
    rest = normals[np.abs(normals @ first) < 1 - _OF_FACE]
    if len(rest) < _LEAST_FACE * len(normals):
        second = np.cross([0.0, 0.0, 1.0], first)  # the lower edge is level
    else:
        same = rest @ rest.T > _SAME
        second = rest[same[np.argmax(same.sum(axis=1))]].mean(axis=0)
        second -= (second @ first) * first
    if np.linalg.norm(second) < 0.1:
        return None
    second /= np.linalg.norm(second)
    rotation = np.column_stack([first, second, np.cross(first, second)])
    k = int(np.argmax(np.abs(rotation[2])))
    if abs(rotation[2, k]) > _LEANS:
        return None
    up = rotation[:, k] * np.sign(rotation[2, k])
    ahead = rotation[:, (k + 1) % 3]
    return np.column_stack([ahead, np.cross(up, ahead), up])


def _refined(seen: Seen, rotation: FloatArray, *, upright: bool) -> Fit:
    """Turn and shift the faces that are seen until they fit, then find the other ends."""
    turns = [2] if upright else [0, 1, 2]
    points = seen.points_m - seen.points_m.mean(axis=0)
    for _ in range(_STEPS):
        face = _faces(seen.normals, rotation)
        used = face >= 0
        axis = rotation.T[face // 2]
        place = np.einsum("ni,ni->n", points, axis)
        offset = np.array(
            [np.median(place[face == k]) if (face == k).any() else 0 for k in range(6)]
        )
        residual = place - offset[face]
        weight = np.where(used, tukey(residual / seen.sigma_m) / seen.sigma_m**2, 0.0)
        # turning the axes by a small angle a about the fixed axes moves axis·p by a·(axis × p)
        lever = np.cross(axis, points)[:, turns]
        jacobian = np.column_stack([lever, np.where(face[:, None] == np.arange(6), -1.0, 0.0)])
        step = solve(jacobian, residual, weight)
        turn = np.zeros(3)
        turn[turns] = step[: len(turns)]
        if not np.linalg.norm(turn) < 0.5:
            break
        rotation = _turned(turn) @ rotation
        if np.abs(step).max() < SETTLED:
            break
    extent_m = np.ptp(points, axis=0).max()
    widest = np.concatenate([np.ones(len(turns)), np.full(6, extent_m)])
    angle = np.full(3, BIAS_M**2)
    angle[turns] = np.diag(covariance(jacobian, weight, widest))[: len(turns)]
    angle_variance = np.diag(rotation.T @ np.diag(angle) @ rotation)
    return _bounded(seen, rotation, angle_variance, num_params=6 + len(turns), upright=upright)


def _turned(turn: FloatArray) -> FloatArray:
    import cv2

    return np.asarray(cv2.Rodrigues(turn)[0], dtype=np.float64)


def _faces(normals: FloatArray, rotation: FloatArray) -> NDArray[np.int64]:
    """The face each point is of, 2 axis + side; -1 for none, int64 [N]."""
    along = normals @ rotation
    axis = np.argmax(np.abs(along), axis=1)
    most = np.take_along_axis(along, axis[:, None], axis=1)[:, 0]
    return np.where(np.abs(most) > _OF_FACE, 2 * axis + (most > 0), -1)


def _bounded(
    seen: Seen, rotation: FloatArray, angle_variance: FloatArray, *, num_params: int, upright: bool
) -> Fit:
    face = _faces(seen.normals, rotation)
    place = seen.points_m @ rotation
    ends = np.stack(seen.ends(rotation))
    variance = np.full((2, 3), seen.spacing_m**2 / 4)
    shown = np.zeros((2, 3), dtype=np.bool_)
    for axis in range(3):
        for side in (0, 1):
            mine = face == 2 * axis + side
            # what is inside of the outline is no face of it
            mine &= np.abs(place[:, axis] - ends[side, axis]) < 4 * seen.sigma_m + seen.spacing_m
            if np.count_nonzero(mine) > _LEAST_FACE * len(seen):
                ends[side, axis] = np.median(place[mine, axis])
                sigma_m = float(seen.sigma_m[mine].mean())
                variance[side, axis] = face_variance(sigma_m, mine.sum())
                shown[side, axis] = True
    if upright and seen.on_ground(ends[0, 2], ends[1, 2]):
        ends[0, 2], variance[0, 2] = seen.ground_m, _REST_M**2
        shown[0, 2] = True
    for axis in range(3):
        others = shown[:, [k for k in range(3) if k != axis and not (k == 2 and upright)]]
        top = shown[1, 2] and np.count_nonzero(face == 5) > _LEAST_FACE * len(seen)
        if shown[:, axis].sum() == 1 and not (others.any() or (top and axis != 2)):
            # one face and nothing that shows how far it goes back
            far = int(np.argmin(shown[:, axis]))
            lesser = np.delete(ends[1] - ends[0], axis).min()
            sign = 1 if far else -1
            ends[far, axis] = ends[1 - far, axis] + sign * _ASSUMED * lesser
            variance[far, axis] = (_HIDDEN * lesser) ** 2
    low, high = ends[0], np.maximum(ends[1], ends[0] + _LEAST_M)
    local = seen.points_m @ rotation - (low + high) / 2
    gap = np.abs(local) - (high - low) / 2
    distance_m = np.linalg.norm(np.maximum(gap, 0), axis=1) + np.minimum(gap.max(axis=1), 0)
    return Fit(
        kind=ShapeKind.BOX,
        rotation=rotation,
        low_m=low,
        high_m=high,
        low_variance_m2=variance[0],
        high_variance_m2=variance[1],
        angle_variance=angle_variance,
        num_params=num_params,
        distance_m=distance_m,
        surface=box_surface(rotation, low, high, seen.spacing_m),
    )


def box_surface(
    rotation: FloatArray, low: FloatArray, high: FloatArray, spacing_m: float
) -> SurfacePoints:
    """Six sheets; ``low`` and ``high`` are coordinates along the columns of ``rotation``."""
    size = high - low
    parts = []
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        grid, area = sheet_points((float(size[a]), float(size[b])), spacing_m)
        for sign in (-1.0, 1.0):
            points = np.zeros((len(grid), 3))
            points[:, [a, b]] = grid
            points[:, axis] = sign * size[axis] / 2
            normal = np.zeros(3)
            normal[axis] = sign
            parts.append(
                SurfacePoints(
                    points_m=points,
                    normals=np.tile(normal, (len(grid), 1)),
                    area_m2=np.full(len(grid), area),
                )
            )
    whole = merged(*parts)
    return SurfacePoints(
        points_m=(whole.points_m + (low + high) / 2) @ rotation.T,
        normals=whole.normals @ rotation.T,
        area_m2=whole.area_m2,
    )
