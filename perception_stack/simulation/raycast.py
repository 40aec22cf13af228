"""Rays against triangles: which face each ray of a sensor meets first, and how far away.

The world is nothing but triangles, given in the sensor's frame with the sensor at the origin.
A ray grid bounds each triangle by rows and columns; only the rays inside are tried, and the
nearest face is kept (a depth buffer). Edges shared by two faces have no gaps: both faces
evaluate the same products with opposite sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.compiled import compiled

_NEAREST = 0.02
_EPSILON_PX = 1e-6
_EPSILON_RAD = 1e-9
_WIDEST_RAD = 3.0


class RayGrid(Protocol):
    """Rays from the origin of a sensor's frame, in rows and columns."""

    @property
    def directions(self) -> FloatArray:
        """Float64 [H, W, 3]; its length is the unit of the distances that come out."""

    def bounds(self, triangles_m: FloatArray) -> NDArray[np.int64]:
        """First and past-the-last row and column whose rays may meet each triangle.

        Columns of a grid that closes on itself may run up to twice its width.

        Args:
            triangles_m: float64 [T, 3, 3] in the sensor's frame.

        Returns:
            int64 [T, 4]: first row, end row, first column, end column; empty ranges when unseen.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What the rays met, and what they would have met of each body standing alone.

    Attributes:
        distance: float64 [H, W], in lengths of the ray's direction; infinite where nothing is met.
        face: int64 [H, W], row of the triangle; -1 where nothing is met.
        body: int64 [H, W], body the triangle belongs to; -1 where nothing is met.
        num_alone: int64 [B], rays that would meet body b if nothing stood in front of it.
        extent: int64 [B, 4], first and last row, first and last column of those rays;
            first > last when there are none.
    """

    distance: FloatArray
    face: NDArray[np.int64]
    body: NDArray[np.int64]
    num_alone: NDArray[np.int64]
    extent: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One sensor's look at a snapshot of B bodies.

    Attributes:
        sensor: Name, as in :attr:`Boxes3D.sensors`.
        hits: What its rays met.
        rows: int64, any shape, row in the snapshot's bodies behind each measurement; -1 for none.
    """

    sensor: str
    hits: Hits
    rows: NDArray[np.int64]

    @property
    def num_measured(self) -> NDArray[np.int64]:
        """Measurements on each body, int64 [B]."""
        return _counts(self.rows[self.rows >= 0], len(self.hits.num_alone))

    @property
    def occluded(self) -> FloatArray:
        """Share of the rays towards each body that meet another first, float64 [B]."""
        first = _counts(self.hits.body[self.hits.body >= 0], len(self.hits.num_alone))
        with np.errstate(invalid="ignore"):
            share: FloatArray = 1 - first / self.hits.num_alone
        return share


class PinholeRays:
    """One ray per pixel, scaled to depth 1: distances are depths along the optical axis.

    Args:
        camera: Without distortion.
    """

    def __init__(self, camera: CameraModel) -> None:
        self._camera = camera
        v, u = np.mgrid[: camera.height_px, : camera.width_px]
        pixels = np.column_stack([u.ravel(), v.ravel()]).astype(np.float64)
        self._directions = camera.rays(pixels).reshape(camera.height_px, camera.width_px, 3)

    @property
    def directions(self) -> FloatArray:
        """Float64 [H, W, 3], z is 1."""
        return self._directions

    def bounds(self, triangles_m: FloatArray) -> NDArray[np.int64]:
        """See :meth:`RayGrid.bounds`; exact for a camera without distortion."""
        corners = np.ascontiguousarray(triangles_m.swapaxes(0, 1))
        ends = corners[[[0, 1], [1, 2], [2, 0]]]  # [3 edges, 2, T, 3]
        depth = ends[..., 2]
        ahead = depth >= _NEAREST
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # an end behind the camera is moved along its edge to just ahead of it
            along = (_NEAREST - depth) / (depth[:, ::-1] - depth)
            moved = ends + along[..., None] * (ends[:, ::-1] - ends)
            cut = np.where(ahead[..., None], ends, moved)
            uv = cut[..., :2] / cut[..., 2:] @ self._camera.k[:2, :2].T + self._camera.k[:2, 2]
        behind = ~ahead.any(axis=1)
        uv.swapaxes(1, 2)[behind] = np.nan
        uv = uv.reshape(6, -1, 2)
        size = np.array([self._camera.width_px, self._camera.height_px])
        first, last = np.fmin.reduce(uv), np.fmax.reduce(uv)
        seen = np.isfinite(first).all(axis=1) & np.isfinite(last).all(axis=1)
        result = np.zeros((len(triangles_m), 4), dtype=np.int64)
        start = np.ceil(np.clip(first[seen] - _EPSILON_PX, 0, size))
        stop = np.floor(np.clip(last[seen] + _EPSILON_PX, -1, size - 1)) + 1
        result[seen] = np.column_stack([start[:, 1], stop[:, 1], start[:, 0], stop[:, 0]])
        return result


class SpinningRays:
    """Rays of unit length on cones about z, as a spinning scanner sends them.

    Args:
        elevation_rad: float64 [H], falling, of each beam above the x-y plane.
        num_azimuths: Columns of a turn, counter-clockwise from behind.
    """

    def __init__(self, elevation_rad: FloatArray, *, num_azimuths: int) -> None:
        self._elevation_rad = elevation_rad
        self._step_rad = 2 * np.pi / num_azimuths
        self._num_azimuths = num_azimuths
        azimuth = (np.arange(num_azimuths) + 0.5) * self._step_rad - np.pi
        flat, up = np.cos(elevation_rad)[:, None], np.sin(elevation_rad)[:, None]
        self._directions = np.stack(
            [flat * np.cos(azimuth), flat * np.sin(azimuth), up + 0 * azimuth], axis=2
        )

    @property
    def directions(self) -> FloatArray:
        """Float64 [H, W, 3], unit length."""
        return self._directions

    def bounds(self, triangles_m: FloatArray) -> NDArray[np.int64]:
        """See :meth:`RayGrid.bounds`."""
        corners = np.ascontiguousarray(triangles_m.swapaxes(0, 1))
        nearest_m, farthest_m, around = _distances_from_axis(corners[..., :2])
        low_m, high_m = corners[..., 2].min(axis=0), corners[..., 2].max(axis=0)
        low_rad = np.arctan2(low_m, np.where(low_m < 0, nearest_m, farthest_m))
        high_rad = np.arctan2(high_m, np.where(high_m > 0, nearest_m, farthest_m))
        falling = -self._elevation_rad
        row = np.searchsorted(falling, -high_rad - _EPSILON_RAD)
        end_row = np.searchsorted(falling, -low_rad + _EPSILON_RAD, side="right")

        azimuth = np.arctan2(corners[..., 1], corners[..., 0])
        turn = (azimuth - azimuth[0] + np.pi) % (2 * np.pi) - np.pi
        first_rad, last_rad = azimuth[0] + turn.min(axis=0), azimuth[0] + turn.max(axis=0)
        around |= last_rad - first_rad > _WIDEST_RAD
        offset = np.pi / self._step_rad - 0.5
        col = np.ceil(first_rad / self._step_rad + offset - _EPSILON_PX).astype(np.int64)
        end_col = np.floor(last_rad / self._step_rad + offset + _EPSILON_PX).astype(np.int64) + 1
        back = np.where(col < 0, self._num_azimuths, 0)
        col, end_col = col + back, end_col + back
        col[around], end_col[around] = 0, self._num_azimuths
        return np.column_stack([row, end_row, col, end_col])


def cast(
    rays: RayGrid,
    triangles_m: FloatArray,
    body_idx: NDArray[np.int64],
    *,
    num_bodies: int,
    farthest: float,
) -> Hits:
    """First hits of all rays of a grid.

    Args:
        rays: The sensor's rays.
        triangles_m: float64 [T, 3, 3] in the sensor's frame; seen from outside only.
        body_idx: int64 [T], rising, the body each triangle belongs to, in [0, ``num_bodies``).
        num_bodies: Length of the per-body results.
        farthest: Hits beyond are none, in lengths of the ray's direction; nor are those within
            0.02 of them.
    """
    shape = rays.directions.shape[:2]
    # a ray d passes through the triangle when d·(b×c), d·(c×a) and d·(a×b) have the sign of
    # a·(b×c), which is negative when the outer side faces the origin
    a, b, c = np.moveaxis(triangles_m, 1, 0)
    facing = np.flatnonzero(np.einsum("ti,ti->t", a, np.cross(b, c)) < 0)
    a, b, c = a[facing], b[facing], c[facing]
    sides = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    distance = np.full(shape, np.inf)
    face = np.full(shape, -1, dtype=np.int64)
    num_alone = np.zeros(num_bodies, dtype=np.int64)
    extent = np.tile(np.array([shape[0], -1, shape[1], -1], dtype=np.int64), (num_bodies, 1))
    _trace(
        rays.directions,
        sides,
        np.einsum("ti,ti->t", a, sides[:, 0]),
        rays.bounds(triangles_m[facing]),
        facing,
        body_idx[facing],
        farthest,
        np.full(shape, -1, dtype=np.int64),
        distance,
        face,
        num_alone,
        extent,
    )
    # the appended -1 is what rays without a face, -1, pick
    return Hits(
        distance=distance,
        face=face,
        body=np.append(body_idx, -1)[face],
        num_alone=num_alone,
        extent=extent,
    )


def _counts(rows: NDArray[np.int64], num: int) -> NDArray[np.int64]:
    return np.bincount(rows.ravel(), minlength=num).astype(np.int64)


def _distances_from_axis(
    corners_m: FloatArray,
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Least and greatest distance of flat triangles from the origin, and whether they hold it.

    Args:
        corners_m: float64 [3, T, 2].
    """
    edge = np.roll(corners_m, -1, axis=0) - corners_m
    length = np.maximum(np.einsum("ctk,ctk->ct", edge, edge), 1e-300)
    along = np.clip(-np.einsum("ctk,ctk->ct", corners_m, edge) / length, 0, 1)
    foot = corners_m + along[..., None] * edge
    nearest_m: FloatArray = np.hypot(foot[..., 0], foot[..., 1]).min(axis=0)
    farthest_m: FloatArray = np.hypot(corners_m[..., 0], corners_m[..., 1]).max(axis=0)
    cross = corners_m[..., 0] * edge[..., 1] - corners_m[..., 1] * edge[..., 0]
    around: NDArray[np.bool_] = np.all(cross >= 0, axis=0) | np.all(cross <= 0, axis=0)
    return np.where(around, 0.0, nearest_m), farthest_m, around


@compiled
def _trace(  # noqa: PLR0917
    directions: FloatArray,
    sides: FloatArray,
    volume: FloatArray,
    bounds: NDArray[np.int64],
    face_idx: NDArray[np.int64],
    body_idx: NDArray[np.int64],
    farthest: float,
    marked: NDArray[np.int64],
    distance: FloatArray,
    face: NDArray[np.int64],
    num_alone: NDArray[np.int64],
    extent: NDArray[np.int64],
) -> None:
    """Depth-buffer loop over triangles and their rays; compiled, writes into the last five."""
    num_cols = face.shape[1]
    for i in range(len(volume)):
        body = body_idx[i]
        ax, ay, az = sides[i, 0]
        bx, by, bz = sides[i, 1]
        cx, cy, cz = sides[i, 2]
        for row in range(bounds[i, 0], bounds[i, 1]):
            for unrolled in range(bounds[i, 2], bounds[i, 3]):
                col = unrolled if unrolled < num_cols else unrolled - num_cols
                x, y, z = directions[row, col]
                u = ax * x + ay * y + az * z
                v = bx * x + by * y + bz * z
                w = cx * x + cy * y + cz * z
                if u > 0 or v > 0 or w > 0 or u + v + w == 0:
                    continue
                reach = volume[i] / (u + v + w)
                if reach < _NEAREST or reach > farthest:
                    continue
                if marked[row, col] != body:
                    marked[row, col] = body
                    num_alone[body] += 1
                    extent[body, 0] = min(extent[body, 0], row)
                    extent[body, 1] = max(extent[body, 1], row)
                    extent[body, 2] = min(extent[body, 2], col)
                    extent[body, 3] = max(extent[body, 3], col)
                if reach < distance[row, col]:
                    distance[row, col] = reach
                    face[row, col] = face_idx[i]
