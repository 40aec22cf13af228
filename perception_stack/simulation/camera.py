"""A colour camera over the simulated world: flat shading by sun and sky, haze, pixel noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import ColorImage, FloatArray
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.light import DAYLIGHT, Light
from perception_stack.simulation.raycast import Hits, PinholeRays, View, cast
from perception_stack.simulation.world import Snapshot


def take_picture(
    snapshot: Snapshot,
    rays: PinholeRays,
    *,
    camera_from_world: RigidTransform,
    stamp_ns: int,
    farthest_m: float,
    rng: np.random.Generator,
    light: Light = DAYLIGHT,
) -> tuple[ColorImage, View]:
    """One exposure.

    Args:
        snapshot: The world.
        rays: The camera's pixels.
        camera_from_world: Pose of the camera's optical frame.
        stamp_ns: Of the image.
        farthest_m: Depth beyond which there is only sky.
        rng: For pixel noise.
        light: What sun, air and surfaces do.

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
    shine = light.on(snapshot.normals)
    # the last row is what pixels without a face, -1, pick
    shaded = np.append(snapshot.bgr * shine[:, None], [[0, 0, 0]], axis=0).astype(np.float32)
    seen = shaded[hits.face]
    if light.grain.size:
        seen *= _grain(rays, hits, camera_from_world, light)[..., None]
    clear = np.exp(-hits.distance / light.haze_m).astype(np.float32)[..., None]
    bgr = clear * seen + (1 - clear) * _sky(rays, camera_from_world, light)
    bgr += light.noise_sigma * rng.standard_normal(bgr.shape, dtype=np.float32)
    np.clip(bgr, 0, 255, out=bgr)
    image = ColorImage(
        frame_id=camera_from_world.target, stamp_ns=stamp_ns, bgr=bgr.astype(np.uint8)
    )
    return image, View(sensor="camera", hits=hits, rows=hits.body)


def _grain(
    rays: PinholeRays, hits: Hits, camera_from_world: RigidTransform, light: Light
) -> NDArray[np.float32]:
    """How much lighter or darker each pixel's surface is there, float32 [H, W], about 1."""
    world_from_camera = camera_from_world.inverse()
    reach = np.where(np.isfinite(hits.distance), hits.distance, 0.0)
    points_m = world_from_camera.apply((rays.directions * reach[..., None]).reshape(-1, 3))
    waves = np.sin(points_m.astype(np.float32) @ light.grain[:3] + light.grain[3])
    factor: NDArray[np.float32] = 1 + np.float32(light.grain_depth) * waves.mean(axis=1)
    return factor.reshape(hits.distance.shape)


def _sky(
    rays: PinholeRays, camera_from_world: RigidTransform, light: Light
) -> NDArray[np.float32]:
    """Colour of the sky behind each pixel, from the horizon's to the zenith's."""
    up: FloatArray = camera_from_world.rotation[:, 2]
    rise = np.clip(rays.directions @ up, 0, 1).astype(np.float32)[..., None]
    horizon_bgr = np.array(light.horizon_bgr, dtype=np.float32)
    return horizon_bgr + rise * (np.array(light.zenith_bgr, dtype=np.float32) - horizon_bgr)
