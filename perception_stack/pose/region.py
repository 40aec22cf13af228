"""Where an object is looked for: the points of a 2-D box, of a mask, or of the whole frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.objects.surface import thinned
from perception_stack.pose.scene import Scene
from perception_stack.pose.support import above_support, without_supports

_CENTRE_SHARE = 0.5
_REACH_DIAMETERS = 2.0
_RING_SHARE = 0.4
_MOST_PIXELS = 20_000
# relative to the object's diameter
_SPACING, _SEED_SPACING, _WIDE_SEED_SPACING = 0.045, 0.22, 0.3
_MOST_SEEDS = 16
_MOST_NOISE = 0.1  # of the diameter
LEAST_NOISE = 0.3
"""Noise of depths that are small, relative to that at 1 m."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """Points and their normals, float64 [N, 3]; NaN where there is no surface."""

    points_m: FloatArray
    normals: FloatArray

    def __len__(self) -> int:
        return len(self.points_m)

    def rows(self, index: slice | NDArray[np.intp] | list[int]) -> Points:
        """Some of them."""
        return Points(points_m=self.points_m[index], normals=self.normals[index])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """Points that may lie on an object, and places to try it at.

    Attributes:
        seen: Evenly thinned, in the camera's frame.
        seeds_m: float64 [S, 3], some of the points, spread over all.
        seed_normals: float64 [S, 3], towards the camera.
        xyxy_px: float64 [4], the object's box; NaN for the whole frame.
    """

    seen: Points
    seeds_m: FloatArray
    seed_normals: FloatArray
    xyxy_px: FloatArray

    @property
    def is_whole_frame(self) -> bool:
        """Whether nothing said where the object is."""
        return bool(np.isnan(self.xyxy_px).any())

    def where_precise(self, diameter_m: float, *, noise_m: float) -> Region:
        """Without seeds so far away that noise hides the shape of an object."""
        fine = noise_at(self.seeds_m[:, 2], noise_m) < _MOST_NOISE * diameter_m
        return replace(self, seeds_m=self.seeds_m[fine], seed_normals=self.seed_normals[fine])


def region_of(points: Points, *, diameter_m: float, xyxy_px: FloatArray | None) -> Region:
    """Thin out points to what the search for an object of a size needs.

    Args:
        points: At least one.
        diameter_m: Of the object.
        xyxy_px: float64 [4], its box; None when it may be anywhere.
    """
    kept = thinned(points.points_m, _SPACING * diameter_m)
    oriented = np.flatnonzero(np.isfinite(points.normals).all(axis=1))
    spacing = _WIDE_SEED_SPACING if xyxy_px is None else _SEED_SPACING
    seeds = oriented
    if len(oriented):
        seeds = oriented[_spread(points.points_m[oriented], spacing * diameter_m)]
    if xyxy_px is not None and len(seeds) > _MOST_SEEDS:
        seeds = seeds[np.linspace(0, len(seeds) - 1, _MOST_SEEDS).astype(np.intp)]
    return Region(
        seen=points.rows(kept),
        seeds_m=points.points_m[seeds],
        seed_normals=points.normals[seeds],
        xyxy_px=np.full(4, np.nan) if xyxy_px is None else xyxy_px,
    )


def points_in_box(
    scene: Scene,
    xyxy_px: FloatArray,
    *,
    mask: NDArray[np.bool_] | None,
    diameter_m: float,
    border: float,
    noise_m: float,
) -> Points:
    """Points that may lie on an object.

    What is much farther behind or before the middle of the box than the object is large belongs
    to something else, and so does the plane that most of the surroundings lie on.

    Args:
        scene: The frame.
        xyxy_px: float64 [4], box of the detection.
        mask: bool [H, W], pixels of the object; None where only the box is known.
        diameter_m: How large the object is.
        border: How far the box is grown on each side, relative to it.
        noise_m: Standard deviation of a depth.
    """
    nothing = Points(points_m=np.empty((0, 3)), normals=np.empty((0, 3)))
    size = xyxy_px[2:] - xyxy_px[:2]
    if not (np.isfinite(xyxy_px).all() and (size > 0).all()):
        return nothing
    rows, cols, _ = _pixels(scene.depth_m, xyxy_px, (border + _RING_SHARE) * size)
    middle_px = (xyxy_px[:2] + xyxy_px[2:]) / 2
    off_middle = np.abs(np.stack([cols, rows], axis=1) - middle_px) / size
    inside = (off_middle <= 0.5 + border).all(axis=1)
    central = (off_middle <= _CENTRE_SHARE / 2).all(axis=1)
    if mask is not None:
        inside = central = mask[rows, cols]
    if not inside.any():
        return nothing
    depth_m = scene.depth_m[rows, cols]
    middle_m = float(np.median(depth_m[central if central.any() else inside]))
    near = np.abs(depth_m - middle_m) <= _REACH_DIAMETERS * diameter_m
    points_m = scene.points_at(rows, cols)
    chosen = np.flatnonzero(near & inside)
    if mask is None:
        around_m = points_m[near & ~inside]
        noise = float(noise_at(np.array(middle_m), noise_m))
        chosen = chosen[above_support(points_m[chosen], around_m, noise_m=noise)]
    return Points(points_m=points_m[chosen], normals=scene.normals_at(rows[chosen], cols[chosen]))


def points_near(
    scene: Scene, middle_m: FloatArray, *, diameter_m: float, noise_m: float
) -> Points:
    """Points about an object at a place, float64 [3], but those of planes larger than it."""
    uv_px = scene.project(middle_m)
    if not np.isfinite(uv_px).all():
        return Points(points_m=np.empty((0, 3)), normals=np.empty((0, 3)))
    nearest_m = max(middle_m[2] - diameter_m, middle_m[2] / 4)
    margin_px = scene.pinhole[:2] * diameter_m / nearest_m
    rows, cols, stride = _pixels(scene.depth_m, np.concatenate([uv_px, uv_px]), margin_px)
    near = np.linalg.norm(scene.points_at(rows, cols) - middle_m, axis=1) < diameter_m
    return _off_supports(
        scene, rows[near], cols[near], stride, largest_m=diameter_m, noise_m=noise_m
    )


def points_of_frame(scene: Scene, *, largest_m: float, noise_m: float) -> Points:
    """All points but those of planes larger than any object, such as tables, floors and walls."""
    height, width = scene.depth_m.shape
    everything = np.array([0.0, 0.0, width, height])
    rows, cols, stride = _pixels(scene.depth_m, everything, np.zeros(2), most=4 * _MOST_PIXELS)
    return _off_supports(scene, rows, cols, stride, largest_m=largest_m, noise_m=noise_m)


def _off_supports(
    scene: Scene,
    rows: NDArray[np.intp],
    cols: NDArray[np.intp],
    stride: int,
    *,
    largest_m: float,
    noise_m: float,
) -> Points:
    """Points of pixels of a grid but those of planes larger than an object."""
    points_m, normals = scene.points_at(rows, cols), scene.normals_at(rows, cols)
    kept = without_supports(
        points_m,
        normals,
        np.stack([rows, cols], axis=1) // stride,
        largest_m=largest_m,
        noise_m=noise_at(points_m[:, 2], noise_m),
    )
    return Points(points_m=points_m[kept], normals=normals[kept])


def noise_at(depth_m: FloatArray, noise_m: float) -> FloatArray:
    """Standard deviation of depths, which grows with their square, given that at 1 m."""
    return np.asarray(noise_m * np.maximum(depth_m**2, LEAST_NOISE))


def _pixels(
    depth_m: NDArray[np.float32],
    xyxy_px: FloatArray,
    margin_px: FloatArray,
    most: int = _MOST_PIXELS,
) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Rows and columns of measured pixels around a box, of every n-th where there are many; n."""
    height, width = depth_m.shape
    low = np.clip(np.floor(xyxy_px[:2] - margin_px), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(xyxy_px[2:] + margin_px) + 1, 0, (width, height)).astype(int)
    stride = int(np.ceil(np.sqrt(max(np.prod(high - low), 1) / most)))
    patch = depth_m[low[1] : high[1] : stride, low[0] : high[0] : stride]
    rows, cols = np.nonzero(np.isfinite(patch))
    return rows * stride + low[1], cols * stride + low[0], stride


def _spread(points_m: FloatArray, spacing_m: float) -> NDArray[np.intp]:
    """Of each cubic cell the point nearest to the mean of its points."""
    cells = np.floor(points_m / spacing_m).astype(np.intp)
    cells -= cells.min(axis=0)
    numbers = np.ravel_multi_index(tuple(cells.T), tuple(cells.max(axis=0) + 1))
    _, group, count = np.unique(numbers, return_inverse=True, return_counts=True)
    sums = [np.bincount(group, weights=axis) for axis in points_m.T]
    means = np.stack(sums, axis=1) / count[:, None]
    off_m = np.linalg.norm(points_m - means[group], axis=1)
    order = np.lexsort((off_m, group))
    first = np.append(True, np.diff(group[order]) > 0)
    return np.asarray(order[first])
