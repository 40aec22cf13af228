"""A yard of walls and crates, or an empty field, and LiDARs of any number of beams in it."""

from __future__ import annotations

from enum import Enum

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.builders import box, sheet, turn
from perception_stack.simulation.mesh import Material, Mesh, merge
from perception_stack.simulation.raycast import SpinningRays, cast

WORLD = "world"
_GREY = Material(bgr=(150, 150, 150), reflectance=0.5)
_FARTHEST_M = 60.0
_NEAREST_M = 0.5
_HALF_M = 40.0
_TILE_M = 4.0


class Surroundings(str, Enum):
    """What stands on the ground."""

    YARD = "yard"
    CORRIDOR = "corridor"
    FIELD = "field"


def make_yard(
    rng: np.random.Generator,
    surroundings: Surroundings = Surroundings.YARD,
    *,
    bumps_m: float = 0.0,
) -> Mesh:
    """Ground at z = 0 and what stands on it.

    Args:
        rng: Draws everything.
        surroundings: A yard has walls to four sides and crates, a corridor two long walls.
        bumps_m: Standard deviation of the height of the ground's corners, every 4 m.
    """
    edges = np.arange(-_HALF_M, _HALF_M + _TILE_M / 2, _TILE_M)
    x, y = np.meshgrid(edges, edges, indexing="ij")
    height = bumps_m * rng.normal(size=x.shape)
    parts = [sheet(np.stack([x, y, height], axis=2), _GREY)]
    if surroundings is not Surroundings.FIELD:
        sides = range(4) if surroundings is Surroundings.YARD else (0, 2)
        heading = rng.uniform(0, np.pi / 2)
        parts += [_wall(rng, heading + side * np.pi / 2) for side in sides]
    if surroundings is Surroundings.YARD:
        parts += [_crate(rng) for _ in range(12)]
    return merge(*parts)


def scan_yard(
    rng: np.random.Generator,
    yard: Mesh,
    *,
    lidar_from_world: RigidTransform,
    num_beams: int,
    noise_m: float = 0.02,
) -> FloatArray:
    """Points of one turn in the LiDAR's frame, float64 [N, 3].

    Args:
        rng: Draws the noise.
        yard: What is there.
        lidar_from_world: Pose of the LiDAR.
        num_beams: From 15° above to 25° below the LiDAR's own plane.
        noise_m: Standard deviation of a range.
    """
    elevation = np.deg2rad(np.linspace(15, -25, num_beams))
    rays = SpinningRays(elevation, num_azimuths=1024)
    triangles = lidar_from_world.apply(yard.triangles_m)
    body = np.zeros(len(triangles), dtype=np.int64)
    hits = cast(rays, triangles, body, num_bodies=1, farthest=_FARTHEST_M)
    met = np.isfinite(hits.distance) & (hits.distance > _NEAREST_M)
    range_m = hits.distance[met] + noise_m * rng.normal(size=int(met.sum()))
    points: FloatArray = rays.directions[met] * range_m[:, None]
    return points


def _wall(rng: np.random.Generator, heading_rad: float) -> Mesh:
    away = rng.uniform(6, 18)
    wall = box(
        (0.5, 2 * _HALF_M, rng.uniform(3, 6)), _GREY, center_m=(away, 0.0, rng.uniform(1, 2))
    )
    return wall.moved(rotation=turn(2, heading_rad))


def _crate(rng: np.random.Generator) -> Mesh:
    size = rng.uniform((0.5, 0.5, 0.4), (3.0, 3.0, 2.5))
    around, away = rng.uniform(0, 2 * np.pi), rng.uniform(4, 12)
    crate = box(size.tolist(), _GREY, center_m=(0.0, 0.0, float(size[2]) / 2))
    return crate.moved(
        float(away * np.cos(around)),
        float(away * np.sin(around)),
        rotation=turn(2, rng.uniform(0, np.pi)),
    )
