"""How well edges of scans lie on edges of images under a pose, and which way is better.

Each kind of edge gives one sum over all edges of all frames. Divided by its spread over poses that
are wrong, it is a number z of standard deviations; how strong a kind is in this scene is not known
beforehand, so the score is the generalised likelihood ratio over unknown strengths of at least
zero, the sum of max(0, z)² / 2: a kind that says nothing here costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.alignment.image_edges import ImageEdges
from perception_stack.calibration.alignment.scan_edges import NUM_KINDS, ScanEdges
from perception_stack.calibration.alignment.view import View
from perception_stack.calibration.rotations import cross_matrix, exp
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import RigidTransform

_TILE_RAD = np.deg2rad(4.0)
_FINE_RAD = np.deg2rad(0.1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EdgeFrame:
    """One image and one scan, reduced to what is compared."""

    image: ImageEdges
    edges: ScanEdges


class Score:
    """Score of poses for some frames at one blur.

    A pose is six numbers: rotation about the camera's x, y, z axes and shift along them, in
    ``units``, applied after ``start``.

    Args:
        frames: What is compared.
        start: Camera from LiDAR.
        blur_rad: Of the image's edges.
        units: float64 [6].
    """

    def __init__(
        self,
        frames: Sequence[EdgeFrame],
        *,
        start: RigidTransform,
        blur_rad: float,
        units: FloatArray,
    ) -> None:
        self._start, self._units = start, units
        self.tiles, self.num_tiles = _tiles([one.edges for one in frames])
        self._parts = [
            _Part(
                maps=one.image.at(blur_rad),
                view=one.image.view,
                edges=one.edges,
                weight=one.edges.weight
                / (1 + one.edges.gap_rad**2 / 12 / (blur_rad**2 + _FINE_RAD**2)),
                group=one.edges.kind * self.num_tiles + tile,
            )
            for one, tile in zip(frames, self.tiles, strict=True)
        ]
        self.spread = np.ones(NUM_KINDS)

    def pose(self, place: FloatArray) -> RigidTransform:
        """Camera from LiDAR of six numbers."""
        return moved(self._start, place * self._units)

    def sums(self, place: FloatArray) -> FloatArray:
        """Sum and its slope by kind, tile and number, float64 [kinds, tiles, 7]: six slopes, sum.

        Slopes are with respect to a further small turn about the camera and shift, rad and m.
        """
        out = np.zeros((NUM_KINDS * self.num_tiles, 7))
        pose = self.pose(place)
        for part in self._parts:
            self._add_part(part, pose, out)
        return out.reshape(NUM_KINDS, self.num_tiles, 7)

    def each(self, place: FloatArray, turn_rad: FloatArray) -> Iterator[FloatArray]:
        """As :meth:`sums`, of each frame alone, the camera turned about its x and y axes."""
        pose = moved(self.pose(place), np.array([*turn_rad, 0, 0, 0, 0]))
        for part in self._parts:
            out = np.zeros((NUM_KINDS * self.num_tiles, 7))
            self._add_part(part, pose, out)
            yield out.reshape(NUM_KINDS, self.num_tiles, 7)

    def _add_part(self, part: _Part, pose: RigidTransform, out: FloatArray) -> None:
        _add(
            part.edges.position_m,
            part.edges.normal,
            part.edges.sign,
            part.weight,
            part.group,
            pose.rotation,
            pose.translation_m,
            part.maps,
            part.view.azimuth_rad,
            part.view.elevation_rad,
            part.view.step_rad,
            out,
        )

    def learn_spread(self, places: FloatArray) -> None:
        """Take the size of each kind's sum over wrong poses, float64 [N, 6], as its unit."""
        sums = np.array([self.sums(place)[..., 6].sum(axis=1) for place in places])
        self.spread = np.sqrt(np.mean(sums**2, axis=0)) + 1e-9

    def value(self, place: FloatArray, resample: FloatArray | None = None) -> float:
        """The score of a pose; see :meth:`value_and_slope`."""
        return self.value_and_slope(place, resample)[0]

    def value_and_slope(
        self, place: FloatArray, resample: FloatArray | None = None
    ) -> tuple[float, FloatArray]:
        """The score and its slope in units of the pose.

        Args:
            place: float64 [6].
            resample: float64 [tiles], how often each part of the scene is counted; None for once.
        """
        sums = self.sums(place)
        by_kind = sums.sum(axis=1) if resample is None else np.einsum("t,ktn->kn", resample, sums)
        z = np.maximum(by_kind[:, 6] / self.spread, 0)
        slope = (z / self.spread) @ by_kind[:, :6]
        return float(z @ z) / 2, self._pull(place, slope)

    def _pull(self, place: FloatArray, slope: FloatArray) -> FloatArray:
        """Slope by a further turn about the camera to slope by the six numbers.

        With p = R(w) q + s: a change of w turns by J(w) dw, the left Jacobian of SO(3), about the
        origin of p - s.
        """
        turn, shift = place[:3] * self._units[:3], place[3:] * self._units[3:]
        about_center = slope[:3] - np.cross(shift, slope[3:])
        return np.asarray(
            np.concatenate([left_jacobian(turn).T @ about_center, slope[3:]]) * self._units
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """One frame at one blur."""

    maps: NDArray[np.float32]
    view: View
    edges: ScanEdges
    weight: FloatArray
    group: NDArray[np.int64]


def _weights(edges: ScanEdges, blur_rad: float) -> FloatArray:
    """Less for edges that lie anywhere in a gap wider than the blur (evenly: its square / 12)."""
    blur2 = blur_rad**2 + _FINE_RAD**2
    return np.asarray(edges.weight / (1 + edges.gap_rad**2 / 12 / blur2))


def moved(start: RigidTransform, change: FloatArray) -> RigidTransform:
    """A transform turned about its target's axes and then shifted, float64 [6] in rad and m."""
    turn = RigidTransform(
        target=start.target,
        source=start.target,
        rotation=exp(change[:3]),
        translation_m=change[3:].copy(),
    )
    return turn @ start


def left_jacobian(vector_rad: FloatArray) -> FloatArray:
    """Left Jacobian of SO(3) (Sola et al., "A micro Lie theory", eq. 145)."""
    angle = float(np.linalg.norm(vector_rad))
    cross = cross_matrix(vector_rad)
    if angle < 1e-6:
        return np.asarray(np.eye(3) + cross / 2)
    first = (1 - np.cos(angle)) / angle**2
    second = (angle - np.sin(angle)) / angle**3
    return np.asarray(np.eye(3) + first * cross + second * cross @ cross)


def _tiles(scans: Sequence[ScanEdges]) -> tuple[list[NDArray[np.int64]], int]:
    """Number of the patch of the LiDAR's view that each edge lies in; alike for all frames.

    A vehicle that stands sees the same things in all frames, so a patch is one witness however
    often it is seen.
    """
    keys = []
    for one in scans:
        x, y, z = one.position_m.T
        azimuth = np.floor(np.arctan2(y, x) / _TILE_RAD)
        elevation = np.floor(np.arctan2(z, np.hypot(x, y)) / _TILE_RAD)
        keys.append(np.column_stack([azimuth, elevation]))
    known, index = np.unique(np.concatenate(keys), axis=0, return_inverse=True)
    ends = np.cumsum([len(one) for one in keys])[:-1]
    return np.split(index.ravel().astype(np.int64), ends), max(len(known), 1)


@compiled
def _add(  # noqa: PLR0917
    position_m: FloatArray,
    normal: FloatArray,
    sign: FloatArray,
    weight: FloatArray,
    group: NDArray[np.int64],
    turn: FloatArray,
    shift_m: FloatArray,
    maps: NDArray[np.float32],
    azimuth_rad: float,
    elevation_rad: float,
    step_rad: float,
    out: FloatArray,
) -> None:
    """Read the maps at every edge, bilinearly, and add value and slopes to its group; compiled."""
    height, width = maps.shape[0], maps.shape[1]
    value = np.empty(4)
    for i in range(len(position_m)):
        px, py, pz = position_m[i, 0], position_m[i, 1], position_m[i, 2]
        x = turn[0, 0] * px + turn[0, 1] * py + turn[0, 2] * pz + shift_m[0]
        y = turn[1, 0] * px + turn[1, 1] * py + turn[1, 2] * pz + shift_m[1]
        z = turn[2, 0] * px + turn[2, 1] * py + turn[2, 2] * pz + shift_m[2]
        flat2 = x * x + z * z
        flat = np.sqrt(flat2)
        u = (np.arctan2(x, z) - azimuth_rad) / step_rad
        v = (np.arctan2(y, flat) - elevation_rad) / step_rad
        if not (u >= 0 and v >= 0 and u < width - 1 and v < height - 1):
            continue
        length2 = flat2 + y * y
        # slopes of u and v by x, y, z
        ux, uz = z / flat2 / step_rad, -x / flat2 / step_rad
        vx, vz = -y * x / flat / length2 / step_rad, -y * z / flat / length2 / step_rad
        vy = flat / length2 / step_rad
        nx, ny, nz = normal[i, 0], normal[i, 1], normal[i, 2]
        tx = turn[0, 0] * nx + turn[0, 1] * ny + turn[0, 2] * nz
        ty = turn[1, 0] * nx + turn[1, 1] * ny + turn[1, 2] * nz
        tz = turn[2, 0] * nx + turn[2, 1] * ny + turn[2, 2] * nz
        du, dv = ux * tx + uz * tz, vx * tx + vy * ty + vz * tz
        size = np.sqrt(du * du + dv * dv) + 1e-12
        du, dv = du / size, dv / size
        col, row = int(u), int(v)
        fu, fv = u - col, v - row
        for k in range(4):
            at = maps[row + k // 2, col + k % 2]
            if sign[i] == 0:
                value[k] = at[0] * du * du + 2 * at[1] * du * dv + at[2] * dv * dv
            else:
                value[k] = (at[3] * du + at[4] * dv) * sign[i]
        w = weight[i]
        e = w * (
            (1 - fv) * ((1 - fu) * value[0] + fu * value[1])
            + fv * ((1 - fu) * value[2] + fu * value[3])
        )
        eu = w * ((1 - fv) * (value[1] - value[0]) + fv * (value[3] - value[2]))
        ev = w * ((1 - fu) * (value[2] - value[0]) + fu * (value[3] - value[1]))
        gx, gy, gz = eu * ux + ev * vx, ev * vy, eu * uz + ev * vz
        g = group[i]
        out[g, 0] += y * gz - z * gy
        out[g, 1] += z * gx - x * gz
        out[g, 2] += x * gy - y * gx
        out[g, 3] += gx
        out[g, 4] += gy
        out[g, 5] += gz
        out[g, 6] += e
