"""Builders of meshes: sheets, lofts and the solids that are special cases of a loft.

A sheet is a surface through a grid of points, a loft a closed body through a stack of rings;
boxes, prisms, bodies of revolution and tubes only differ in how they make the rings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.simulation.mesh import Material, Mesh, merge

_SMALLEST_AREA_M2 = 1e-14


def turn(axis: int, angle_rad: float) -> FloatArray:
    """Rotation matrix about one coordinate axis (0, 1 or 2), float64 [3, 3]."""
    quat = np.array([0.0, 0.0, 0.0, np.cos(angle_rad / 2)])
    quat[axis] = np.sin(angle_rad / 2)
    return matrix_from_quat(quat)


def sheet(grid_m: FloatArray, material: Material) -> Mesh:
    """Surface through a grid of points; its normal is first axis × second axis.

    Args:
        grid_m: float64 [N, M, 3].
        material: Of all faces.
    """
    a, b = grid_m[:-1, :-1], grid_m[1:, :-1]
    d, c = grid_m[:-1, 1:], grid_m[1:, 1:]
    halves = [np.stack(corners, axis=-2).reshape(-1, 3, 3) for corners in ((a, b, c), (a, c, d))]
    return _painted(np.concatenate(halves), material)


def loft(rings_m: FloatArray, material: Material) -> Mesh:
    """Closed body through a stack of rings, its two ends covered.

    Args:
        rings_m: float64 [N, M, 3]; the M points of a ring run counter-clockwise seen from the
            end of the stack. The first and last ring must be star-shaped seen from their first
            point.
        material: Of all faces.
    """
    closed = np.concatenate([rings_m, rings_m[:, :1]], axis=1)
    wall = sheet(closed.swapaxes(0, 1), material)
    return merge(
        wall,
        _painted(_fan(np.roll(rings_m[0, ::-1], 1, axis=0)), material),
        _painted(_fan(rings_m[-1]), material),
    )


def prism(polygon_m: Sequence[tuple[float, float]], z_m: FloatArray, material: Material) -> Mesh:
    """Upright body over a polygon in the x-y plane.

    Args:
        polygon_m: Corners counter-clockwise; the first must see and end the whole polygon.
        z_m: Bottom and top.
        material: Of all faces.
    """
    base = np.array(polygon_m)
    rings = [np.column_stack([base, np.full(len(base), z)]) for z in z_m]
    return loft(np.stack(rings), material)


def box(
    size_lwh_m: Sequence[float],
    material: Material,
    *,
    center_m: Sequence[float] = (0.0, 0.0, 0.0),
    top_scale: tuple[float, float] = (1.0, 1.0),
    top_shift_m: float = 0.0,
) -> Mesh:
    """Upright cuboid, or a truncated pyramid when its top is scaled in x and y or shifted in x."""
    half = np.array(size_lwh_m) / 2
    ring = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * half[:2]
    top = ring * np.array(top_scale) + np.array([top_shift_m, 0.0])
    rings = [
        np.column_stack([flat, np.full(4, z)]) for flat, z in ((ring, -half[2]), (top, half[2]))
    ]
    return loft(np.stack(rings) + np.array(center_m), material)


def lathe(
    profile_m: Sequence[tuple[float, float]], material: Material, *, num_sides: int = 12
) -> Mesh:
    """Body of revolution about z.

    Args:
        profile_m: Radius and height, walked so that the body lies on the left hand in a picture
            with the radius to the right: up along the outside, down along an inside.
        material: Of all faces.
        num_sides: Facets of a ring; their corners lie on the circle.
    """
    angle = np.arange(num_sides) * 2 * np.pi / num_sides
    circle = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(num_sides)])
    rings = [radius * circle + np.array([0.0, 0.0, z]) for radius, z in profile_m]
    return loft(np.stack(rings), material)


def ball(
    radii_m: Sequence[float],
    material: Material,
    *,
    center_m: Sequence[float] = (0.0, 0.0, 0.0),
    num_sides: int = 12,
) -> Mesh:
    """Ellipsoid with half axes along x, y, z."""
    polar = np.linspace(-np.pi / 2, np.pi / 2, num_sides // 2 + 1)
    profile = [(float(np.cos(a)), float(np.sin(a))) for a in polar[1:-1]]
    # the cosine of a float near π/2 is not zero, and rays slip through a pole that is not closed
    unit = lathe([(0.0, -1.0), *profile, (0.0, 1.0)], material, num_sides=num_sides)
    return replace(unit, triangles_m=unit.triangles_m * np.array(radii_m) + np.array(center_m))


def tube(
    path_m: Sequence[Sequence[float]], radius_m: float, material: Material, *, num_sides: int = 6
) -> Mesh:
    """Round rod along a path of points, its ends covered."""
    path = np.array(path_m, dtype=np.float64)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    # the coordinate axis that no part of the path runs along keeps the rings from twisting
    aside = np.eye(3)[np.argmin(np.abs(tangent).max(axis=0))]
    u = np.cross(aside, tangent)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(tangent, u)
    angle = np.arange(num_sides) * 2 * np.pi / num_sides
    spokes = np.cos(angle)[:, None] * u[:, None] + np.sin(angle)[:, None] * v[:, None]
    return loft(path[:, None] + radius_m * spokes, material)


def _fan(ring_m: FloatArray) -> FloatArray:
    """Triangles from the first point of a ring to all others, float64 [M - 2, 3, 3]."""
    first = np.broadcast_to(ring_m[0], ring_m[1:-1].shape)
    return np.stack([first, ring_m[1:-1], ring_m[2:]], axis=1)


def _painted(triangles_m: FloatArray, material: Material) -> Mesh:
    """A mesh of one material; faces without area are left out."""
    a, b, c = np.moveaxis(triangles_m, 1, 0)
    kept = triangles_m[np.linalg.norm(np.cross(b - a, c - a), axis=1) > _SMALLEST_AREA_M2]
    return Mesh(
        triangles_m=kept,
        bgr=np.tile(np.array(material.bgr, dtype=np.uint8), (len(kept), 1)),
        reflectance=np.full(len(kept), material.reflectance),
    )
