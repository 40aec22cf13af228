"""A 64-beam spinning LiDAR: what comes back of each pulse, how strong, how far.

The whole turn is taken at one instant: the scan is as one whose ego motion was undone.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray, PointCloud
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.raycast import SpinningRays, View, cast
from perception_stack.simulation.world import Snapshot

FARTHEST_M = 120.0
RANGE_SIGMA_M = 0.02
"""Standard deviation of a range; the HDL-64E data sheet says below 2 cm."""

_NEAREST_M = 0.9
_LOSS = 0.015
_WEAKEST = 0.10 * 0.3 / 50.0**2
_ROUGHNESS = 0.3
_INTENSITY_SIGMA = 0.02


def hdl64_elevations_rad() -> FloatArray:
    """Beam elevations of the Velodyne HDL-64E, float64 [64], falling.

    Data sheet: the upper 32 beams every 1/3° from +2° down to -8.33°, the lower 32 every 1/2°
    from -8.83° down to -24.33°.
    """
    upper = 2.0 - np.arange(32) / 3
    lower = -8.83 - np.arange(32) / 2
    elevations_rad: FloatArray = np.deg2rad(np.concatenate([upper, lower]))
    return elevations_rad


def scan(
    snapshot: Snapshot,
    rays: SpinningRays,
    *,
    lidar_from_world: RigidTransform,
    stamp_ns: int,
    rng: np.random.Generator,
) -> tuple[PointCloud, View]:
    """One turn.

    A pulse that meets a face comes back with a power that grows with the reflectance, shrinks
    with the angle of incidence (a mix of a rough and a Lambertian surface) and with the square of
    the distance. Its chance to be noticed is 1 - exp(-(power / threshold)²), the threshold being
    that of asphalt (10 %) at a flat angle and 50 m, the data sheet's range for pavement; 1.5 % of
    the others get lost as well.

    Args:
        snapshot: The world.
        rays: The beams.
        lidar_from_world: Pose of the scanner.
        stamp_ns: Of the cloud.
        rng: For noise and losses.

    Returns:
        The points beam by beam from the top, with intensity in [0, 1], and what each lies on.
    """
    hits = cast(
        rays,
        snapshot.triangles_in(lidar_from_world),
        snapshot.body_idx,
        num_bodies=len(snapshot.bodies),
        farthest=FARTHEST_M,
    )
    noise = rng.standard_normal((2, *hits.face.shape))
    met = hits.face >= 0
    face, range_m, direction = hits.face[met], hits.distance[met], rays.directions[met]
    normal = snapshot.normals[face] @ lidar_from_world.rotation.T
    cosine = -np.einsum("ni,ni->n", normal, direction)
    strength = snapshot.reflectance[face] * (_ROUGHNESS + (1 - _ROUGHNESS) * cosine)
    noticed = (1 - _LOSS) * -np.expm1(-((strength / range_m**2 / _WEAKEST) ** 2))
    kept = (rng.random(len(face)) < noticed) & (range_m > _NEAREST_M)

    measured_m = range_m + RANGE_SIGMA_M * noise[0][met]
    intensity = np.clip(strength + _INTENSITY_SIGMA * noise[1][met], 0, 1)
    cloud = PointCloud(
        frame_id=lidar_from_world.target,
        stamp_ns=stamp_ns,
        xyz_m=(measured_m[:, None] * direction)[kept].astype(np.float32),
        intensity=intensity[kept].astype(np.float32),
    )
    return cloud, View(sensor="lidar", hits=hits, rows=snapshot.body_idx[face[kept]])
