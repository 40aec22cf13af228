"""A colour camera over the simulated world: flat shading by sun and sky, haze, pixel noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import ColorImage, FloatArray
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.raycast import PinholeRays, View, cast
from perception_stack.simulation.world import Snapshot

_TO_SUN = np.array([0.35, 0.5, 0.79]) / np.linalg.norm([0.35, 0.5, 0.79])
_AMBIENT, _SKYLIGHT, _SUNLIGHT = 0.42, 0.15, 0.48
_HORIZON_BGR = np.array([232.0, 222.0, 210.0], dtype=np.float32)
_ZENITH_BGR = np.array([225.0, 165.0, 110.0], dtype=np.float32)
_HAZE_M = 260.0
_NOISE_SIGMA = 2.0


def take_picture(
    snapshot: Snapshot,
    rays: PinholeRays,
    *,
    camera_from_world: RigidTransform,
    stamp_ns: int,
    farthest_m: float,
    rng: np.random.Generator,
) -> tuple[ColorImage, View]:
    """One exposure.

    Args:
        snapshot: The world.
        rays: The camera's pixels.
        camera_from_world: Pose of the camera's optical frame.
        stamp_ns: Of the image.
        farthest_m: Depth beyond which there is only sky.
        rng: For pixel noise.

    Returns:
        The image, and what its pixels see; the distance of a hit is its depth.
    """
    hits = cast(
        rays,
        snapshot.triangles_in(camera_from_world),
        snapshot.body_idx,
        num_bodies=len(snapshot.bodies),
        farthest=farthest_m,
    )
    light = (
        _AMBIENT
        + _SKYLIGHT * snapshot.normals[:, 2]
        + _SUNLIGHT * np.maximum(snapshot.normals @ _TO_SUN, 0)
    )
    # the last row is what pixels without a face, -1, pick
    shaded = np.append(snapshot.bgr * light[:, None], [[0, 0, 0]], axis=0).astype(np.float32)
    clear = np.exp(-hits.distance / _HAZE_M).astype(np.float32)[..., None]
    bgr = clear * shaded[hits.face] + (1 - clear) * _sky(rays, camera_from_world)
    bgr += _NOISE_SIGMA * rng.standard_normal(bgr.shape, dtype=np.float32)
    np.clip(bgr, 0, 255, out=bgr)
    image = ColorImage(
        frame_id=camera_from_world.target, stamp_ns=stamp_ns, bgr=bgr.astype(np.uint8)
    )
    return image, View(sensor="camera", hits=hits, rows=hits.body)


def _sky(rays: PinholeRays, camera_from_world: RigidTransform) -> NDArray[np.float32]:
    """Colour of the sky behind each pixel, from the horizon's to the zenith's."""
    up: FloatArray = camera_from_world.rotation[:, 2]
    rise = np.clip(rays.directions @ up, 0, 1).astype(np.float32)[..., None]
    return _HORIZON_BGR + rise * (_ZENITH_BGR - _HORIZON_BGR)
