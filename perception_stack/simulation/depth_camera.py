"""The depth half of an RGB-D camera: noise that grows with distance, and holes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import DepthImage, FloatArray
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.raycast import Hits, PinholeRays, View
from perception_stack.simulation.world import Snapshot

NEAREST_M, FARTHEST_M = 0.3, 4.0
"""Depths that the sensor can measure."""

_GRAZING_COSINE = np.cos(np.deg2rad(80.0))
_EDGE_STEP_M = 0.02
_EDGE_LOSS = 0.6
_LOSS = 0.002


def depth_sigma_m(depth_m: FloatArray) -> FloatArray:
    """Standard deviation of a depth, same shape, metres.

    Nguyen, Izadi, Lovell: Modeling Kinect sensor noise for improved 3D reconstruction and
    tracking, 3DIMPVT 2012, axial noise: 0.0012 + 0.0019 (z - 0.4)².
    """
    return np.asarray(0.0012 + 0.0019 * (depth_m - 0.4) ** 2)


def measure_depth(
    snapshot: Snapshot,
    rays: PinholeRays,
    hits: Hits,
    *,
    camera_from_world: RigidTransform,
    stamp_ns: int,
    rng: np.random.Generator,
) -> tuple[DepthImage, View]:
    """Depth image of what the camera's rays met.

    No depth comes from surfaces seen at more than 80°, from outside of the measuring range, from
    most pixels beside a step in depth, and from a few others.

    Args:
        snapshot: The world.
        rays: The camera's pixels.
        hits: What they met.
        camera_from_world: Pose of the camera's optical frame.
        stamp_ns: Of the image.
        rng: For noise and holes.

    Returns:
        The depth image, and what its valid pixels measure.
    """
    depth_m = hits.distance
    lost = rng.random(depth_m.shape)
    noise = rng.standard_normal(depth_m.shape)
    normals = np.append(snapshot.normals @ camera_from_world.rotation.T, [[0, 0, 0]], axis=0)
    length = np.linalg.norm(rays.directions, axis=2)
    cosine = -np.einsum("hwi,hwi->hw", normals[hits.face], rays.directions) / length
    valid = (depth_m > NEAREST_M) & (depth_m < FARTHEST_M) & (cosine > _GRAZING_COSINE)
    valid &= lost > np.where(_beside_step(depth_m), _EDGE_LOSS, _LOSS)
    finite_m = np.where(valid, depth_m, 0.0)
    measured_m = np.where(valid, finite_m + depth_sigma_m(finite_m) * noise, np.nan)
    image = DepthImage(
        frame_id=camera_from_world.target,
        stamp_ns=stamp_ns,
        depth_m=measured_m.astype(np.float32),
    )
    return image, View(sensor="depth", hits=hits, rows=np.where(valid, hits.body, -1))


def _beside_step(depth_m: FloatArray) -> NDArray[np.bool_]:
    """Pixels with a neighbour above, below or beside at quite another depth."""
    filled = np.minimum(depth_m, 1e3)
    down = np.abs(np.diff(filled, axis=0)) > _EDGE_STEP_M
    right = np.abs(np.diff(filled, axis=1)) > _EDGE_STEP_M
    step = np.zeros(depth_m.shape, dtype=np.bool_)
    step[:-1] |= down
    step[1:] |= down
    step[:, :-1] |= right
    step[:, 1:] |= right
    return step
