"""What carries things in a depth image: tables, floors, walls; any number of planes, any tilt.

A plane is ``a·x + b·y + c = inverse depth``; its three numbers are the normal over the distance.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.depth.grid import Grid
from perception_stack.geometry.compiled import compiled

_NUM_TRIPLETS = 400
_WINDOW = 6  # the three points lie within this part of the image's height
_SAMPLE = 2000
_PARTS = 8  # of the sample, looked at one after the other
_MOST_PLANES = 6
_NOISES = 4.0  # with the bending of cheap depth cameras, 99 % of a table (measured)
_SOLID = 3  # cells around, most of which must lie on the plane too: no slices through objects
_LEAST_COSINE = 0.05
_LEAST_SPREAD = 1e-5  # of three directions, twice the area of their triangle
UP_IN_CAMERA = np.array([0.0, -1.0, 0.0])
"""Up for a camera held level."""
_ANY_TILT = 0.1  # weight of planes that are upright for a level camera; level ones weigh 1 more


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The points with ``inverse_m @ p == 1``; the camera, at the origin, is on the upper side.

    Attributes:
        inverse_m: float64 [3], normal away from the camera, over the distance, 1/m.
        share: Of the cells with depth, how many lie on it.
        area_m2: Of what is seen of it.
    """

    inverse_m: FloatArray
    share: float
    area_m2: float

    @property
    def up(self) -> FloatArray:
        """Unit normal towards the camera's side, float64 [3]."""
        up: FloatArray = -self.inverse_m / np.linalg.norm(self.inverse_m)
        return up

    def height_m(self, points_m: FloatArray) -> FloatArray:
        """Height of points above the plane, float64 [N]."""
        height: FloatArray = (1 - points_m @ self.inverse_m) / np.linalg.norm(self.inverse_m)
        return height

    def stands_out(self, grid: Grid) -> FloatArray:
        """How much nearer than the plane each cell is, 1/m, float64 [h, w]."""
        a, b, c = self.inverse_m
        nearer: FloatArray = grid.inverse - (a * grid.x + b * grid.y + c)
        return nearer


def tolerance(config: DepthDetectorConfig) -> float:
    """How far off a plane its points are measured, 1/m."""
    return _NOISES * config.depth_noise


def find_supports(
    grid: Grid, config: DepthDetectorConfig
) -> tuple[tuple[Plane, ...], NDArray[np.bool_]]:
    """Planes that are large in the image and in the world, and the cells that lie on them.

    One after the other by random sample consensus (Fischler and Bolles 1981) with a fixed seed.

    Returns:
        The planes, largest in the image first, and bool [h, w].
    """
    free = grid.inverse > 0
    num, on_any = int(free.sum()), np.zeros(free.shape, dtype=np.bool_)
    num_least = max(config.support_share * num, 3 * _WINDOW)
    limit = tolerance(config)
    size = (_NUM_TRIPLETS, 5)
    planes: list[Plane] = []
    for turn in range(_MOST_PLANES):
        if free.sum() < num_least:
            break
        picks = np.random.default_rng(turn).random(size)
        inverse_m, share = _most_common(grid, free, picks, limit)
        if share * free.sum() < num_least / 2:
            break
        on, area_m2 = _on_plane(
            grid.inverse, grid.x, grid.y, free, inverse_m, limit, _SOLID, _LEAST_COSINE
        )
        free &= ~on
        if on.sum() >= num_least and area_m2 >= config.support_area_m2:
            planes.append(Plane(inverse_m=inverse_m, share=on.sum() / num, area_m2=area_m2))
            on_any |= on
    return tuple(sorted(planes, key=lambda one: -one.share)), on_any


def choose_floor(planes: tuple[Plane, ...]) -> Plane | None:
    """The plane that says what is up: large, and rather level, since cameras are held upright."""
    return max(
        planes,
        key=lambda one: one.share * (_ANY_TILT + max(float(one.up @ UP_IN_CAMERA), 0.0)),
        default=None,
    )


def _most_common(
    grid: Grid, free: NDArray[np.bool_], picks: FloatArray, limit: float
) -> tuple[FloatArray, float]:
    """Plane through three neighbouring cells with most others on it, refitted; and their share."""
    h, w = free.shape
    cells = np.flatnonzero(free)
    first = cells[(picks[:, :1] * len(cells)).astype(np.intp)]
    reach = (picks[:, 1:].reshape(-1, 2, 2) * 2 - 1) * (h / _WINDOW)
    rows = np.concatenate([first // w, first // w + reach[..., 0].astype(np.intp)], axis=1)
    cols = np.concatenate([first % w, first % w + reach[..., 1].astype(np.intp)], axis=1)
    rows, cols = np.clip(rows, 0, h - 1), np.clip(cols, 0, w - 1)
    corners = np.stack([grid.x[rows, cols], grid.y[rows, cols], np.ones(rows.shape)], axis=2)
    usable = free[rows, cols].all(axis=1) & (np.abs(np.linalg.det(corners)) > _LEAST_SPREAD)
    if not usable.any():
        return np.zeros(3), 0.0
    tried = np.linalg.solve(corners[usable], grid.inverse[rows, cols][usable, :, None])[..., 0]
    cells = cells[:: len(cells) // _SAMPLE + 1]
    of_cells = np.column_stack([grid.x.ravel()[cells], grid.y.ravel()[cells], np.ones(len(cells))])
    inverse = grid.inverse.ravel()[cells]
    best, num = _vote(of_cells, inverse, tried, limit, _PARTS)
    plane: FloatArray = tried[best]
    for _ in range(3):
        on = np.abs(inverse - of_cells @ plane) < limit
        if np.count_nonzero(on) >= 3:
            plane = np.asarray(np.linalg.lstsq(of_cells[on], inverse[on], rcond=None)[0])
    return plane, num / len(cells)


@compiled
def _vote(of_cells: Any, inverse: Any, tried: Any, limit: float, parts: int) -> Any:
    """Which plane has the most cells on it, and how many."""
    best, most = 0, 0
    for t in range(len(tried)):
        a, b, c = tried[t]
        num = 0
        for part in range(parts):
            for s in range(part, len(inverse), parts):
                off = inverse[s] - a * of_cells[s, 0] - b * of_cells[s, 1] - c
                if abs(off) < limit:
                    num += 1
            if num * parts < (part + 1) * most // 2:  # it will not become the best any more
                break
        if num > most:
            best, most = t, num
    return best, most


@compiled
def _on_plane(
    inverse: Any, x: Any, y: Any, free: Any, plane: Any, limit: float, solid: int, cosine: float
) -> Any:
    """Cells on a plane, most cells around which are on it too, and their area."""
    h, w = inverse.shape
    # sums over all cells above and to the left
    on_sum = np.zeros((h + 1, w + 1), dtype=np.int32)
    any_sum = np.zeros((h + 1, w + 1), dtype=np.int32)
    near = np.zeros((h, w), dtype=np.bool_)
    for i in range(h):
        for j in range(w):
            off = inverse[i, j] - plane[0] * x[i, j] - plane[1] * y[i, j] - plane[2]
            there = inverse[i, j] > 0
            near[i, j] = there and abs(off) < limit
            on_sum[i + 1, j + 1] = on_sum[i, j + 1] + on_sum[i + 1, j] - on_sum[i, j] + near[i, j]
            any_sum[i + 1, j + 1] = any_sum[i, j + 1] + any_sum[i + 1, j] - any_sum[i, j] + there
    on = np.zeros((h, w), dtype=np.bool_)
    length = np.sqrt(plane[0] ** 2 + plane[1] ** 2 + plane[2] ** 2)
    area_m2 = 0.0
    for i in range(h):
        for j in range(w):
            if not (near[i, j] and free[i, j]):
                continue
            i0, i1 = max(i - solid, 0), min(i + solid + 1, h)
            j0, j1 = max(j - solid, 0), min(j + solid + 1, w)
            num_on = on_sum[i1, j1] - on_sum[i0, j1] - on_sum[i1, j0] + on_sum[i0, j0]
            num = any_sum[i1, j1] - any_sum[i0, j1] - any_sum[i1, j0] + any_sum[i0, j0]
            if 2 * num_on <= num:
                continue
            on[i, j] = True
            # the directions of neighbours, where the next one has any
            i2, j2 = i + 1 if i + 1 < h else i - 1, j + 1 if j + 1 < w else j - 1
            if inverse[i2, j] <= 0 or inverse[i, j2] <= 0:
                continue
            solid_angle = abs(x[i, j2] - x[i, j]) * abs(y[i2, j] - y[i, j])
            slant = abs(plane[0] * x[i, j] + plane[1] * y[i, j] + plane[2]) / length
            area_m2 += solid_angle / (inverse[i, j] ** 2 * max(slant, cosine))
    return on, area_m2
