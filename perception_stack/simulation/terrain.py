"""One scan of a street with traffic over any relief, by a LiDAR of any beams at any height.

What the ground is at every point is known exactly, which no recording tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray, PointCloud
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.course import Course, travel
from perception_stack.simulation.lidar import FARTHEST_M, scan
from perception_stack.simulation.raycast import SpinningRays
from perception_stack.simulation.scene import LIDAR_FRAME
from perception_stack.simulation.street import build_street
from perception_stack.simulation.traffic import Stretch, build_traffic, ego_place
from perception_stack.simulation.truth import true_boxes
from perception_stack.simulation.world import BACKGROUND, WORLD, take_snapshot

_BEHIND_M, _AHEAD_M = -80.0, 130.0
_PACE_MPS, _DURATION_S = 8.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TerrainScan:
    """A scan and what is true of it.

    Attributes:
        cloud: N points, in the LiDAR's frame.
        truth: M boxes, in that frame too.
        object_of_point: int64 [N], the box whose object each point lies on, -1 for none.
        above_ground_m: float64 [N], height above the true ground.
    """

    cloud: PointCloud
    truth: Boxes3D
    object_of_point: NDArray[np.int64]
    above_ground_m: FloatArray


def scan_street(
    course: Course,
    elevation_rad: FloatArray,
    *,
    seed: int,
    height_m: float,
    classes: tuple[str, ...],
    num_azimuths: int = 1800,
) -> TerrainScan:
    """What a LiDAR in the right-hand lane at the world's origin sees.

    Args:
        course: The road.
        elevation_rad: float64 [B], falling, of the beams.
        seed: Picks street, traffic and noise.
        height_m: Of the LiDAR above the road.
        classes: Labels of the truth; the traffic's own must be among them.
        num_azimuths: LiDAR columns a turn.
    """
    stretch = Stretch(
        course=course,
        start_m=_BEHIND_M,
        end_m=_AHEAD_M,
        duration_s=_DURATION_S,
        pace_mps=_PACE_MPS,
    )
    rng = np.random.default_rng([seed, 0])
    bodies, _ = build_traffic(stretch, rng)
    bodies += build_street(course, start_m=_BEHIND_M, end_m=_AHEAD_M, rng=rng)
    rotation, position = travel(course, ego_place(_PACE_MPS), lift_m=height_m)(0.0)
    world_from_lidar = RigidTransform(
        target=WORLD, source=LIDAR_FRAME, rotation=rotation, translation_m=position
    )
    snapshot = take_snapshot(bodies, 0.0, center_m=position, radius_m=FARTHEST_M)
    cloud, view = scan(
        snapshot,
        SpinningRays(elevation_rad, num_azimuths=num_azimuths),
        lidar_from_world=world_from_lidar.inverse(),
        stamp_ns=0,
        rng=rng,
    )
    objects = np.flatnonzero(snapshot.track_ids != BACKGROUND)
    truth = true_boxes(snapshot, objects, (view,), classes=classes, stamp_ns=0)
    row = np.full(len(snapshot.bodies), -1, dtype=np.int64)
    row[objects] = np.arange(len(objects))
    points_m = world_from_lidar.apply(cloud.xyz_m.astype(np.float64))
    return TerrainScan(
        cloud=cloud,
        truth=transform_boxes(truth, world_from_lidar.inverse()),
        object_of_point=row[view.rows],
        above_ground_m=points_m[:, 2] - course.ground_m(points_m[:, :2]),
    )
