"""Coloured triangles: what every simulated body is made of.

Faces are counter-clockwise seen from outside: only the outer side of a face is ever seen by a
sensor. Everything is in the body's own frame, metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_shape

_WELD_M = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a surface looks like to a camera and to a laser.

    Attributes:
        bgr: Colour under full light, 0 to 255.
        reflectance: Share of a laser pulse that comes back at normal incidence, in [0, 1].
    """

    bgr: tuple[int, int, int]
    reflectance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """Triangles of one body.

    Attributes:
        triangles_m: float64 [T, 3 corners, 3], outward faces counter-clockwise.
        bgr: uint8 [T, 3].
        reflectance: float64 [T], in [0, 1].
    """

    triangles_m: FloatArray
    bgr: NDArray[np.uint8]
    reflectance: FloatArray

    def __post_init__(self) -> None:
        num = len(self.triangles_m)
        check_shape("triangles_m", self.triangles_m, None, 3, 3)
        check_shape("bgr", self.bgr, num, 3)
        check_shape("reflectance", self.reflectance, num)

    def __len__(self) -> int:
        return len(self.triangles_m)

    @property
    def bounds_m(self) -> FloatArray:
        """Least and greatest coordinates, float64 [2, 3]."""
        points = self.triangles_m.reshape(-1, 3)
        return np.stack([points.min(axis=0), points.max(axis=0)])

    @property
    def size_lwh_m(self) -> FloatArray:
        """Extents along x, y, z, float64 [3]."""
        low, high = self.bounds_m
        return np.asarray(high - low)

    def moved(
        self,
        x_m: float = 0.0,
        y_m: float = 0.0,
        z_m: float = 0.0,
        *,
        rotation: FloatArray | None = None,
    ) -> Mesh:
        """The mesh turned about its origin, then shifted."""
        triangles_m = self.triangles_m if rotation is None else self.triangles_m @ rotation.T
        return replace(self, triangles_m=triangles_m + np.array([x_m, y_m, z_m]))


def merge(*meshes: Mesh) -> Mesh:
    """One mesh of several; faces hidden inside others stay."""
    return Mesh(
        triangles_m=np.concatenate([mesh.triangles_m for mesh in meshes]),
        bgr=np.concatenate([mesh.bgr for mesh in meshes]),
        reflectance=np.concatenate([mesh.reflectance for mesh in meshes]),
    )


def fitted(meshes: Sequence[Mesh], size_lwh_m: FloatArray) -> tuple[Mesh, ...]:
    """The meshes, scaled and shifted alike so that together they fill a box about the origin.

    So a body drawn roughly to size has exactly the extents it is labelled with.

    Args:
        meshes: Poses of one body in the course of its gait, or just one mesh.
        size_lwh_m: float64 [3], extents of the union along x, y, z.
    """
    bounds = np.stack([mesh.bounds_m for mesh in meshes])
    low, high = bounds[:, 0].min(axis=0), bounds[:, 1].max(axis=0)
    scale, center = size_lwh_m / (high - low), (low + high) / 2
    return tuple(replace(mesh, triangles_m=(mesh.triangles_m - center) * scale) for mesh in meshes)


def write_ply(mesh: Mesh, path: Path) -> None:
    """Write corners and faces as an ASCII PLY file, metres; corners that coincide become one."""
    corners = np.round(mesh.triangles_m.reshape(-1, 3) / _WELD_M) * _WELD_M
    # adding zero turns -0.0 into 0.0, which would be another text
    vertices, index = np.unique(corners + 0.0, axis=0, return_inverse=True)
    header = [
        "ply",
        "format ascii 1.0",
        f"element vertex {len(vertices)}",
        *(f"property double {axis}" for axis in "xyz"),
        f"element face {len(mesh)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    rows = [" ".join(f"{value:.9g}" for value in vertex) for vertex in vertices]
    rows += [f"3 {a} {b} {c}" for a, b, c in index.reshape(-1, 3)]
    path.write_text("\n".join([*header, *rows]) + "\n", encoding="ascii")
