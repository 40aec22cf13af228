"""A simulated rig on a simulated road, small enough for tests."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.rig import Mount, RoadRig
from perception_stack.simulation.road import RoadConfig
from perception_stack.simulation.scene import BASE_FRAME, CAMERA_FRAME, LIDAR_FRAME, pinhole

_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@pytest.fixture(scope="session")
def road_camera() -> CameraModel:
    return pinhole(width_px=640, height_px=214, focal_px=371)


@pytest.fixture(scope="session")
def road_rig(road_camera: CameraModel) -> RoadRig:
    return RoadRig(RoadConfig(seed=21, num_frames=100, num_azimuths=900), road_camera)


@pytest.fixture(scope="session")
def road_mount() -> Mount:
    return Mount(
        base_from_camera=RigidTransform(
            target=BASE_FRAME,
            source=CAMERA_FRAME,
            rotation=_OPTICAL,
            translation_m=np.array([0.27, 0.06, -0.08]),
        ),
        base_from_lidar=RigidTransform(
            target=BASE_FRAME, source=LIDAR_FRAME, rotation=np.eye(3), translation_m=np.zeros(3)
        ),
    )
