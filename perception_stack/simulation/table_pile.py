"""A pile on the table: bodies that touch, stand on and lean against others.

No physics is simulated. Each body is pushed over the table until it touches, or let down onto a
flat top until it rests there. All bodies are convex, so over each cell of a fine grid a body is
one span of heights, and bodies meet where two spans do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.simulation.builders import ball, box, lathe, turn
from perception_stack.simulation.mesh import Material, Mesh
from perception_stack.simulation.table_objects import KnownObject

PILE_CLASSES = ("ball", "box", "cylinder")

_CELL_M = 0.002
_HALF_M = 0.5  # of the square in which things are pushed about
_MIDDLE_M = 0.06  # spread of the points that things are pushed towards
_CLUTTER_M = 0.12  # the same of known objects
_NUM_CLASSES, _TILTED = 5, 0.2
_FIRST = 4  # bodies on the table before any is put on or leant against another
_SHARES = (0.5, 0.3)  # pushed, stacked; the others lean
_LEAN_RAD = np.deg2rad([15.0, 35.0])
_TOUCHING_M = 0.002
_LEAST_REST = 0.4  # of a bottom that must rest on what is below
_OFF_CENTRE = 0.25  # of the least size, how far the middle of the rest may be aside
_HIGHEST_M = 0.25
_TRIES = 30


class Placed(NamedTuple):
    """One body of the pile.

    Attributes:
        label: One of :data:`PILE_CLASSES`, or the name of a known object.
        mesh: Centred in its extents.
        rotation: float64 [3, 3].
        position_m: float64 [3], of its centre above the middle of the table's top.
    """

    label: str
    mesh: Mesh
    rotation: FloatArray
    position_m: FloatArray


class _Thing(NamedTuple):
    """A body not yet placed."""

    label: str
    mesh: Mesh
    rotation: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spans:
    """Heights a body fills above each cell of a square about its origin, lowest point at 0.

    Attributes:
        low_m: float64 [n, n], infinite beside the body.
        high_m: float64 [n, n], minus infinity beside it.
        below_m: How far its lowest point is below its origin.
    """

    low_m: FloatArray
    high_m: FloatArray
    below_m: float


def pile(num: int, rng: np.random.Generator) -> tuple[Placed, ...]:
    """So many bodies in one heap."""
    heap = _Heap()
    while len(heap.placed) < num:
        how = rng.random()
        if len(heap.placed) < _FIRST or how < _SHARES[0]:
            heap.push(_lying(rng), rng, angle_rad=rng.uniform(-np.pi, np.pi))
        elif how < sum(_SHARES):
            heap.stack(rng)
        else:
            yaw_rad = rng.uniform(-np.pi, np.pi)
            size_m = rng.uniform((0.02, 0.08, 0.12), (0.04, 0.14, 0.2))
            rotation = turn(2, yaw_rad) @ turn(1, rng.uniform(*_LEAN_RAD))
            leaning = _Thing("box", box(size_m.tolist(), _paint(rng)), rotation)
            heap.push(leaning, rng, angle_rad=yaw_rad)
    return tuple(heap.placed)


def clutter(
    known: Sequence[KnownObject], num: int, rng: np.random.Generator
) -> tuple[Placed, ...]:
    """So many of the known objects, of five classes, pushed together; some of them tilted.

    They touch as their convex hulls do.
    """
    chosen = rng.choice(len(known), min(_NUM_CLASSES, len(known)), replace=False)
    heap = _Heap(spread_m=_CLUTTER_M)
    meshes: list[Mesh] = []
    while len(meshes) < num:
        one = known[rng.choice(chosen)]
        rotation = turn(2, rng.uniform(-np.pi, np.pi)) @ one.rests[rng.integers(len(one.rests))]
        if rng.random() < _TILTED:
            rotation = turn(2, rng.uniform(-np.pi, np.pi)) @ (
                turn(1, rng.uniform(*_LEAN_RAD)) @ rotation
            )
        thing = _Thing(one.name, _hull(one.mesh), rotation)
        heap.push(thing, rng, angle_rad=rng.uniform(-np.pi, np.pi))
        if len(heap.placed) > len(meshes):
            meshes.append(one.mesh)
    return tuple(
        placed._replace(mesh=mesh) for placed, mesh in zip(heap.placed, meshes, strict=True)
    )


def _hull(mesh: Mesh) -> Mesh:
    """The convex hull, faces counter-clockwise from outside."""
    from scipy.spatial import ConvexHull

    points_m = np.unique(mesh.triangles_m.reshape(-1, 3).round(6), axis=0)
    hull = ConvexHull(points_m)
    triangles_m = points_m[hull.simplices]
    a, b, c = np.moveaxis(triangles_m, 1, 0)
    inward = np.einsum("ti,ti->t", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
    triangles_m[inward] = triangles_m[inward][:, ::-1]
    num = len(triangles_m)
    return Mesh(
        triangles_m=triangles_m,
        bgr=np.zeros((num, 3), dtype=np.uint8),
        reflectance=np.zeros(num),
    )


class _Heap:
    """What lies there, as bodies and as spans over the grid."""

    def __init__(self, *, spread_m: float = _MIDDLE_M) -> None:
        self._spread_m = spread_m
        self.placed: list[Placed] = []
        self._num = round(2 * _HALF_M / _CELL_M)
        self._low_m: list[FloatArray] = []
        self._high_m: list[FloatArray] = []

    def push(self, thing: _Thing, rng: np.random.Generator, *, angle_rad: float) -> None:
        """Push a body over the table in a direction until it touches another."""
        spans = _spans(thing)
        ahead = np.array([np.cos(angle_rad), np.sin(angle_rad)])
        goal_m = rng.normal(0.0, self._spread_m, 2) if self.placed else np.zeros(2)
        reach_m = _HALF_M - len(spans.low_m) * _CELL_M / 2 - _CELL_M
        way_m = np.arange(-reach_m, 0.0, _CELL_M / 2)
        clear = None
        for at_m in np.clip(goal_m + way_m[:, None] * ahead, -reach_m, reach_m):
            if self._meets(spans, at_m):
                break
            clear = at_m
        if clear is not None:
            self._put(thing, spans, clear, lift_m=0.0)

    def stack(self, rng: np.random.Generator) -> None:
        """Let a body down onto another, if some place is found where it rests."""
        thing = _lying(rng, stable=True)
        spans = _spans(thing)
        bottom = spans.low_m < _TOUCHING_M
        for _ in range(_TRIES):
            below = self.placed[rng.integers(len(self.placed))]
            at_m = below.position_m[:2] + rng.uniform(-0.02, 0.02, 2)
            rows, cols = self._window(spans, at_m)
            gap_m = np.full(spans.low_m.shape, np.inf)
            for high_m in self._high_m:
                gap_m = np.minimum(gap_m, spans.low_m - high_m[rows, cols])
            lift_m = -float(gap_m.min())
            resting = bottom & (gap_m + lift_m < _TOUCHING_M)
            if resting.sum() < _LEAST_REST * bottom.sum():
                continue
            off_m = (np.argwhere(resting).mean(axis=0) - len(bottom) / 2) * _CELL_M
            is_low = 0 < lift_m < _HIGHEST_M - spans.high_m.max()
            if is_low and np.abs(off_m).max() < _OFF_CENTRE * thing.mesh.size_lwh_m.min():
                self._put(thing, spans, at_m, lift_m=lift_m)
                return

    def _window(self, spans: _Spans, at_m: FloatArray) -> tuple[slice, slice]:
        first = np.round((at_m + _HALF_M) / _CELL_M).astype(int) - len(spans.low_m) // 2
        rows, cols = (slice(one, one + len(spans.low_m)) for one in first.tolist())
        return rows, cols

    def _meets(self, spans: _Spans, at_m: FloatArray) -> bool:
        where = self._window(spans, at_m)
        return any(
            bool(((spans.low_m < high_m[where]) & (spans.high_m > low_m[where])).any())
            for low_m, high_m in zip(self._low_m, self._high_m, strict=True)
        )

    def _put(self, thing: _Thing, spans: _Spans, at_m: FloatArray, *, lift_m: float) -> None:
        where = self._window(spans, at_m)
        low_m = np.full((self._num, self._num), np.inf)
        high_m = np.full((self._num, self._num), -np.inf)
        low_m[where], high_m[where] = spans.low_m + lift_m, spans.high_m + lift_m
        self._low_m.append(low_m)
        self._high_m.append(high_m)
        # the place of the grid's cells, so that the bodies meet just as their spans do
        cell_m = np.round((at_m + _HALF_M) / _CELL_M) * _CELL_M - _HALF_M
        position_m = np.append(cell_m, spans.below_m + lift_m)
        self.placed.append(Placed(*thing, position_m))


def _spans(thing: _Thing) -> _Spans:
    """Spans of a convex body: over a cell, all its faces' planes bound the height."""
    triangles_m = thing.mesh.triangles_m @ thing.rotation.T
    below_m = -float(triangles_m[..., 2].min())
    reach = int(np.ceil(np.abs(triangles_m[..., :2]).max() / _CELL_M)) + 1
    middle_m = np.arange(-reach, reach) * _CELL_M
    a, b, c = np.moveaxis(triangles_m, 1, 0)
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offset_m = np.einsum("ti,ti->t", normals, a)
    low_m = np.full((2 * reach, 2 * reach), -np.inf)
    high_m = np.full((2 * reach, 2 * reach), np.inf)
    for (nx, ny, nz), d in zip(normals, offset_m, strict=True):
        left_m = d - nx * middle_m[:, None] - ny * middle_m
        if nz > 1e-9:
            high_m = np.minimum(high_m, left_m / nz)
        elif nz < -1e-9:
            low_m = np.maximum(low_m, left_m / nz)
        else:
            high_m = np.where(left_m < 0, -np.inf, high_m)
    beside: NDArray[np.bool_] = low_m >= high_m
    return _Spans(
        low_m=np.where(beside, np.inf, low_m + below_m),
        high_m=np.where(beside, -np.inf, high_m + below_m),
        below_m=below_m,
    )


def _lying(rng: np.random.Generator, *, stable: bool = False) -> _Thing:
    """Some body in a rest; one that does not roll, if wanted."""
    label = PILE_CLASSES[rng.integers(1 if stable else 0, 3)]
    rotation = turn(2, rng.uniform(-np.pi, np.pi))
    if label == "box":
        size_m = rng.uniform((0.06, 0.05, 0.04), (0.16, 0.11, 0.14))
        return _Thing(label, box(size_m.tolist(), _paint(rng)), rotation)
    radius_m = float(rng.uniform(0.03, 0.045))
    if label == "ball":
        return _Thing(label, ball((radius_m,) * 3, _paint(rng), num_sides=24), rotation)
    half_m = float(rng.uniform(0.03, 0.065))
    mesh = lathe([(radius_m, -half_m), (radius_m, half_m)], _paint(rng), num_sides=32)
    on_side = not stable and rng.random() < 0.3
    return _Thing(label, mesh, rotation @ turn(1, np.pi / 2) if on_side else rotation)


def _paint(rng: np.random.Generator) -> Material:
    return Material(bgr=tuple(rng.integers(40, 240, 3).tolist()), reflectance=0.5)
