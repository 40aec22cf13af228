"""Surfaces as points with outward normals: what is exchanged instead of meshes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray, check_shape
from perception_stack.geometry.transforms import RigidTransform

_LEAST_VOLUME = 0.01  # of the box around it; less is no closed surface


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfacePoints:
    """Points of a closed surface, evenly spread.

    Attributes:
        points_m: float64 [N, 3].
        normals: float64 [N, 3], unit, outward.
        area_m2: float64 [N], how much surface each stands for.
    """

    points_m: FloatArray
    normals: FloatArray
    area_m2: FloatArray

    def __post_init__(self) -> None:
        num = len(self.points_m)
        check_shape("points_m", self.points_m, None, 3)
        check_shape("normals", self.normals, num, 3)
        check_shape("area_m2", self.area_m2, num)

    def __len__(self) -> int:
        return len(self.points_m)

    def moved(self, target_from_surface: RigidTransform) -> SurfacePoints:
        """The same surface in another frame."""
        return SurfacePoints(
            points_m=target_from_surface.apply(self.points_m),
            normals=self.normals @ target_from_surface.rotation.T,
            area_m2=self.area_m2,
        )

    def thinned(self, most: int) -> SurfacePoints:
        """At most so many of the points, the area of all."""
        if len(self) <= most:
            return self
        index = np.linspace(0, len(self) - 1, most).astype(np.intp)
        return SurfacePoints(
            points_m=self.points_m[index],
            normals=self.normals[index],
            area_m2=self.area_m2[index] * (len(self) / most),
        )

    def volume(self) -> tuple[float, FloatArray]:
        """Volume in m³ and centre of mass float64 [3], by the divergence theorem.

        A surface that is not closed gives the middle of its box, and the volume of half of it.
        """
        low, high = self.points_m.min(axis=0), self.points_m.max(axis=0)
        middle = (low + high) / 2
        local = self.points_m - middle
        flux = np.einsum("ni,ni->n", local, self.normals) * self.area_m2
        volume = float(flux.sum()) / 3
        of_box = float(np.prod(np.maximum(high - low, 1e-3)))
        if not _LEAST_VOLUME * of_box < volume < 2 * of_box:
            return of_box / 2, middle
        # ∫ x dV = ∮ x (x·n) dA / 4
        offset = (local * flux[:, None]).sum(axis=0) / 4 / volume
        inside = np.clip(offset, low - middle, high - middle)
        return volume, middle + inside


def merged(*surfaces: SurfacePoints) -> SurfacePoints:
    """One surface of several parts."""
    return SurfacePoints(
        points_m=np.concatenate([one.points_m for one in surfaces]),
        normals=np.concatenate([one.normals for one in surfaces]),
        area_m2=np.concatenate([one.area_m2 for one in surfaces]),
    )


def sheet_points(size_m: tuple[float, float], spacing_m: float) -> tuple[FloatArray, float]:
    """Points evenly over a rectangle about the origin: float64 [N, 2], and the area of each."""
    num = [max(round(one / spacing_m), 1) for one in size_m]
    a, b = (
        (np.arange(n) + 0.5) / n * side - side / 2 for n, side in zip(num, size_m, strict=True)
    )
    grid = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)
    return grid, size_m[0] * size_m[1] / len(grid)
