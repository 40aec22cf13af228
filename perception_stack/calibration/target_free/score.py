"""How well edges of scans lie on edges of images under a pose, and which way is better.

Each kind of edge gives one sum over all edges of all frames. Divided by its spread over poses that
are wrong, it is a number z of standard deviations; how strong a kind is in this scene is not known
beforehand, so the score is the generalised likelihood ratio over unknown strengths of at least
zero, the sum of max(0, z)² / 2: a kind that says nothing here costs nothing.

A beam is wider than a ray (2 mrad and more): it still returns from a surface that it meets with
its border only, so surfaces look larger to a scan than they are, and by how much differs between
sensors, along and across beams. Two numbers beside the pose say how far ends of surfaces really
lie from the middle of the gap; they are found with it.

A scanner that spins on a moving vehicle meets what is left and right at other times than the image
was taken. Where points have times, the speed of each frame is found with the pose too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.rotations import cross_matrix, log
from perception_stack.calibration.target_free.image_edges import ImageEdges
from perception_stack.calibration.target_free.scan_edges import NUM_KINDS, ScanEdges
from perception_stack.calibration.target_free.view import View
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import RigidTransform

NUM_POSE, NUM_NUMBERS = 6, 8
"""Of a place: the pose; and with it how far ends across and along beams lie beyond their gap."""
_BEAM_RAD = np.deg2rad(0.1)
_SPEED_MPS = 15.0
_SLOPES = NUM_POSE + 2  # and by the end of surfaces and the speed
_TILE_RAD = np.deg2rad(4.0)
_MANY = 1000  # more than there are patches one above the other
_FINE_RAD = np.deg2rad(0.1)
_THINNED_RAD = np.deg2rad(0.3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EdgeFrame:
    """One image and one scan, reduced to what is compared."""

    image: ImageEdges
    edges: ScanEdges


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resample:
    """How often each part of the data counts.

    Attributes:
        frames: float64 [frames].
        tiles: float64 [tiles], patches of the scene.
    """

    frames: FloatArray
    tiles: FloatArray


class Score:
    """Score of poses for some frames at one blur.

    A place is eight numbers: rotation about the camera's x, y, z axes and shift along them, in
    ``units``, applied after ``start``; and how far ends of surfaces across and along beams lie
    beyond the middle of their gap, in a tenth of a degree. Each frame whose points have times
    adds one: the speed of the LiDAR along its own x axis, in 15 m/s.

    Args:
        frames: What is compared.
        start: Camera from LiDAR.
        blur_rad: Of the image's edges; where it is wide, fewer edges do.
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
        every = slice(None, None, 1 + int(blur_rad / _THINNED_RAD))
        self._parts = [
            _Part(
                maps=one.image.at(blur_rad),
                view=one.image.view,
                edges=one.edges.rows(every),
                weight=_weights(one.edges, blur_rad)[every],
                tile=tile[every],
            )
            for one, tile in zip(frames, self.tiles, strict=True)
        ]
        self.spread = np.ones(NUM_KINDS)
        self._timed = np.flatnonzero([one.edges.time_s.any() for one in frames])
        self.num_numbers = NUM_NUMBERS + len(self._timed)

    def pose(self, place: FloatArray) -> RigidTransform:
        """Camera from LiDAR of a place."""
        rotation, translation_m = self._motion(place)
        return RigidTransform(
            target=self._start.target,
            source=self._start.source,
            rotation=rotation,
            translation_m=translation_m,
        )

    def place(self, pose: RigidTransform) -> FloatArray:
        """First six numbers of the place of a pose: inverse of :meth:`pose`."""
        change = pose @ self._start.inverse()
        return np.concatenate([log(change.rotation), change.translation_m]) / self._units

    def each(
        self, place: FloatArray, turn_rad: FloatArray | None = None, *, slopes: bool = True
    ) -> Iterator[FloatArray]:
        """Sum and its slopes by kind and tile of each frame, float64 [kinds, tiles, 9].

        Slopes, then the sum. Slopes are with respect to a further small turn about the camera, a
        shift, the place of ends of surfaces of this kind, and the speed; rad, m, rad, m/s.

        Args:
            place: float64 [numbers].
            turn_rad: float64 [2], of the camera about its x and y axes.
            slopes: Whether they are wanted; else zero, in half the time.
        """
        rotation, translation_m = self._motion(place)
        if turn_rad is not None:
            turn = _turn(np.array([*turn_rad, 0.0]))
            rotation, translation_m = turn @ rotation, turn @ translation_m
        beyond_rad = np.zeros(NUM_KINDS)
        beyond_rad[: NUM_NUMBERS - NUM_POSE] = place[NUM_POSE:NUM_NUMBERS] * _BEAM_RAD
        speed_mps = np.zeros(len(self._parts))
        speed_mps[self._timed] = place[NUM_NUMBERS:] * _SPEED_MPS
        for part, speed in zip(self._parts, speed_mps, strict=True):
            out = np.zeros((NUM_KINDS, self.num_tiles, _SLOPES + 1))
            _add(
                part.edges.position_m,
                part.edges.normal,
                part.edges.sign,
                part.weight,
                part.edges.kind,
                part.edges.time_s,
                part.tile,
                rotation,
                translation_m,
                beyond_rad,
                speed,
                part.maps,
                part.view.azimuth_rad,
                part.view.elevation_rad,
                part.view.step_rad,
                slopes,
                out,
            )
            yield out

    def learn_spread(self, places: FloatArray) -> None:
        """The size of each kind's sum over wrong places, float64 [N, numbers], is its unit."""
        sums = np.array([list(self.each(place, slopes=False)) for place in places])[..., -1]
        self.spread = np.sqrt(np.mean(sums.sum(axis=(1, 3)) ** 2, axis=0)) + 1e-9

    def value(self, place: FloatArray) -> float:
        """The score of a place; see :meth:`value_and_slope`."""
        return self.value_and_slope(place)[0]

    def value_and_slope(
        self, place: FloatArray, resample: Resample | None = None
    ) -> tuple[float, FloatArray]:
        """The score and its slope in units of the place.

        Args:
            place: float64 [numbers].
            resample: How often each part of the data counts; None for once.
        """
        if resample is None:
            by_frame = np.array([one.sum(axis=1) for one in self.each(place)])
        else:
            by_tile = (np.einsum("t,ktn->kn", resample.tiles, one) for one in self.each(place))
            by_frame = np.array(list(by_tile)) * resample.frames[:, None, None]
        by_kind = by_frame.sum(axis=0)
        z = np.maximum(by_kind[:, -1] / self.spread, 0)
        pull = z / self.spread
        beyond = (pull * by_kind[:, NUM_POSE])[: NUM_NUMBERS - NUM_POSE] * _BEAM_RAD
        speed = by_frame[self._timed, :, NUM_POSE + 1] @ pull * _SPEED_MPS
        return float(z @ z) / 2, np.concatenate(
            [self._pull(place, pull @ by_kind[:, :NUM_POSE]), beyond, speed]
        )

    def _motion(self, place: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Rotation and translation of the pose of a place, unchecked, as it is asked for often."""
        change = place[:NUM_POSE] * self._units
        turn = _turn(change[:3])
        return turn @ self._start.rotation, turn @ self._start.translation_m + change[3:]

    def _pull(self, place: FloatArray, slope: FloatArray) -> FloatArray:
        """Slope by a further turn about the camera to slope by the six numbers.

        With p = R(w) q + s: a change of w turns by J(w) dw, the left Jacobian of SO(3), about the
        origin of p - s.
        """
        turn, shift = (place[:NUM_POSE] * self._units).reshape(2, 3)
        about_center = slope[:3] - cross_matrix(shift) @ slope[3:]
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
    tile: NDArray[np.int64]


def _weights(edges: ScanEdges, blur_rad: float) -> FloatArray:
    """Less for edges that lie anywhere in a gap wider than the blur (evenly: its square / 12)."""
    blur2 = blur_rad**2 + _FINE_RAD**2
    return np.asarray(edges.weight / (1 + edges.gap_rad**2 / 12 / blur2))


def _turn(vector_rad: FloatArray) -> FloatArray:
    """Rotation of a single vector; where the score is asked for, ``exp`` is felt."""
    import cv2

    return np.asarray(cv2.Rodrigues(vector_rad)[0])


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
        azimuth = np.floor(np.arctan2(y, x) / _TILE_RAD).astype(np.int64)
        elevation = np.floor(np.arctan2(z, np.hypot(x, y)) / _TILE_RAD).astype(np.int64)
        keys.append(_MANY * azimuth + elevation)
    known, index = np.unique(np.concatenate(keys), return_inverse=True)
    ends = np.cumsum([len(one) for one in keys])[:-1]
    return np.split(index.ravel().astype(np.int64), ends), max(len(known), 1)


@compiled
def _add(  # noqa: PLR0915, PLR0917
    position_m: FloatArray,
    normal: FloatArray,
    sign: FloatArray,
    weight: FloatArray,
    kind: NDArray[np.int64],
    time_s: FloatArray,
    tile: NDArray[np.int64],
    turn: FloatArray,
    shift_m: FloatArray,
    beyond_rad: FloatArray,
    speed_mps: float,
    maps: NDArray[np.float32],
    azimuth_rad: float,
    elevation_rad: float,
    step_rad: float,
    slopes: bool,
    out: FloatArray,
) -> None:
    """Read the maps at every edge, bilinearly; add value and slopes to its kind and tile."""
    height, width = maps.shape[0], maps.shape[1]
    value = np.empty(4)
    for i in range(len(position_m)):
        px, py, pz = position_m[i, 0], position_m[i, 1], position_m[i, 2]
        nx, ny, nz = normal[i, 0], normal[i, 1], normal[i, 2]
        range_m = np.sqrt(px * px + py * py + pz * pz)
        beyond_m = beyond_rad[kind[i]] * range_m
        px, py, pz = px + beyond_m * nx, py + beyond_m * ny, pz + beyond_m * nz
        px += speed_mps * time_s[i]
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
        tx = turn[0, 0] * nx + turn[0, 1] * ny + turn[0, 2] * nz
        ty = turn[1, 0] * nx + turn[1, 1] * ny + turn[1, 2] * nz
        tz = turn[2, 0] * nx + turn[2, 1] * ny + turn[2, 2] * nz
        du, dv = ux * tx + uz * tz, vx * tx + vy * ty + vz * tz
        size = np.sqrt(du * du + dv * dv) + 1e-12
        du, dv = du / size, dv / size
        col, row = int(u), int(v)
        fu, fv = u - col, v - row
        for k in range(4):
            r, c = row + k // 2, col + k % 2
            if sign[i] == 0:
                value[k] = (
                    maps[r, c, 0] * du * du + 2 * maps[r, c, 1] * du * dv + maps[r, c, 2] * dv * dv
                )
            else:
                value[k] = (maps[r, c, 3] * du + maps[r, c, 4] * dv) * sign[i]
        w = weight[i]
        e = w * (
            (1 - fv) * ((1 - fu) * value[0] + fu * value[1])
            + fv * ((1 - fu) * value[2] + fu * value[3])
        )
        to = out[kind[i], tile[i]]
        to[8] += e
        if not slopes:
            continue
        eu = w * ((1 - fv) * (value[1] - value[0]) + fv * (value[3] - value[2]))
        ev = w * ((1 - fu) * (value[2] - value[0]) + fu * (value[3] - value[1]))
        gx, gy, gz = eu * ux + ev * vx, ev * vy, eu * uz + ev * vz
        to[0] += y * gz - z * gy
        to[1] += z * gx - x * gz
        to[2] += x * gy - y * gx
        to[3] += gx
        to[4] += gy
        to[5] += gz
        to[6] += (gx * tx + gy * ty + gz * tz) * range_m
        to[7] += (gx * turn[0, 0] + gy * turn[1, 0] + gz * turn[2, 0]) * time_s[i]
