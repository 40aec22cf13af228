"""A camera and a LiDAR mounted anyhow on the vehicle of the simulated road, for calibration.

Each sensor is asked on its own, at any time and with any mount, so that a wrong mount, a bump or a
late camera are simulated exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import ColorImage, PointCloud
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.camera import take_picture
from perception_stack.simulation.lidar import FARTHEST_M, hdl64_elevations_rad, scan
from perception_stack.simulation.raycast import PinholeRays, SpinningRays
from perception_stack.simulation.road import SKY_M, RoadConfig, road_world
from perception_stack.simulation.scene import BASE_FRAME
from perception_stack.simulation.world import WORLD, Snapshot, take_snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Where the sensors truly are.

    Attributes:
        base_from_camera: Pose of the camera's optical frame on the vehicle.
        base_from_lidar: Pose of the LiDAR.
    """

    base_from_camera: RigidTransform
    base_from_lidar: RigidTransform

    @property
    def camera_from_lidar(self) -> RigidTransform:
        """What calibration looks for."""
        return self.base_from_camera.inverse() @ self.base_from_lidar


class RoadRig:
    """The vehicle's sensors on a simulated road.

    Args:
        config: The road; image size and frames are not used.
        camera: Without distortion.
    """

    def __init__(self, config: RoadConfig, camera: CameraModel) -> None:
        self._seed = config.seed
        self._bodies, self._ego = road_world(config)
        self._camera = camera
        self._pixels = PinholeRays(camera)
        self._beams = SpinningRays(hdl64_elevations_rad(), num_azimuths=config.num_azimuths)

    def picture(self, time_s: float, mount: Mount) -> ColorImage:
        """What the camera sees at a time since the drive began."""
        world_from_base, snapshot = self._look(time_s)
        image, _ = take_picture(
            snapshot,
            self._pixels,
            camera_from_world=(world_from_base @ mount.base_from_camera).inverse(),
            stamp_ns=round(time_s * 1e9),
            farthest_m=SKY_M,
            rng=np.random.default_rng([self._seed, 2, round(time_s * 1e6)]),
        )
        return image

    def turn(self, time_s: float, mount: Mount) -> PointCloud:
        """What the LiDAR sees at a time since the drive began."""
        world_from_base, snapshot = self._look(time_s)
        cloud, _ = scan(
            snapshot,
            self._beams,
            lidar_from_world=(world_from_base @ mount.base_from_lidar).inverse(),
            stamp_ns=round(time_s * 1e9),
            rng=np.random.default_rng([self._seed, 3, round(time_s * 1e6)]),
        )
        return cloud

    def pose(self, time_s: float) -> RigidTransform:
        """The vehicle in the world."""
        rotation, position = self._ego(time_s)
        return RigidTransform(
            target=WORLD, source=BASE_FRAME, rotation=rotation, translation_m=position
        )

    def _look(self, time_s: float) -> tuple[RigidTransform, Snapshot]:
        world_from_base = self.pose(time_s)
        return world_from_base, take_snapshot(
            self._bodies, time_s, center_m=world_from_base.translation_m, radius_m=FARTHEST_M
        )
