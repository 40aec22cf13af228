"""A drive through a street: 64-beam LiDAR and colour camera at 10 Hz, exact truth of all traffic.

The vehicle starts at the origin of ``odom`` on level ground and follows the right-hand lane of a
bending, gently rolling street. ``base_link`` is the LiDAR's place on the roof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.config import StepConfig, param
from perception_stack.errors import ConfigError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.builders import turn
from perception_stack.simulation.camera import take_picture
from perception_stack.simulation.course import Course, travel
from perception_stack.simulation.lidar import FARTHEST_M, hdl64_elevations_rad, scan
from perception_stack.simulation.motion import Motion, Pose
from perception_stack.simulation.raycast import PinholeRays, SpinningRays
from perception_stack.simulation.scene import (
    BASE_FRAME,
    CAMERA_FRAME,
    LIDAR_FRAME,
    Scene,
    SimulatedFrame,
    pinhole,
    stamp_of,
    time_of,
)
from perception_stack.simulation.street import build_street, zebra
from perception_stack.simulation.traffic import Stretch, build_traffic, ego_place
from perception_stack.simulation.truth import Asked, assemble_frame
from perception_stack.simulation.world import WORLD, Body, take_snapshot

ROAD_CLASSES = ("car", "cyclist", "pedestrian", "truck")
LIDAR_HEIGHT_M = 1.73

_BEHIND_M, _AHEAD_M = -80.0, 130.0
_LARGEST_TURN_RAD = 5.0
SKY_M = 300.0
_FOCAL_PER_WIDTH = 0.58
_PITCH_RAD, _ROLL_RAD = np.deg2rad(0.3), np.deg2rad(0.4)
_PITCH_HZ, _ROLL_HZ = 0.9, 0.6
# the camera hangs a little ahead of and below the LiDAR and is mounted as carelessly as usual
_CAMERA_IN_BASE_M = np.array([0.27, 0.06, -0.08])
_CAMERA_TILT = turn(2, np.deg2rad(0.4)) @ turn(1, np.deg2rad(1.5)) @ turn(0, np.deg2rad(-0.2))
_BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadConfig(StepConfig):
    """What drive to simulate."""

    seed: int = param(0, "Picks street, traffic and noise.", low=0)
    num_frames: int = param(60, "Number of frames, ten a second.", low=1, high=1000)
    pace_mps: float = param(
        8.0, "Mean speed of the vehicle and those in its lane.", unit="m/s", low=2.0, high=20.0
    )
    curve_radius_m: float = param(
        220.0, "Radius of the bend, to the left.", unit="m", low=60.0, high=1e5
    )
    num_azimuths: int = param(1800, "LiDAR columns a turn.", low=90, high=4500)
    image_width_px: int = param(960, "Image width.", unit="px", low=64, high=4096)
    image_height_px: int = param(320, "Image height.", unit="px", low=32, high=4096)
    min_points: int = param(10, "LiDAR points from which an object counts.", low=1)
    min_pixels: int = param(400, "Pixels from which an object counts.", low=1)

    def __post_init__(self) -> None:
        StepConfig.__post_init__(self)
        length_m = _AHEAD_M - _BEHIND_M + self.pace_mps * time_of(self.num_frames)
        if length_m / self.curve_radius_m > _LARGEST_TURN_RAD:
            raise ConfigError(
                f"RoadConfig: {length_m:.0f} m of road with a radius of "
                f"{self.curve_radius_m:.0f} m would run into itself; take fewer frames, a lower "
                "pace or a larger curve_radius_m"
            )


def road_scene(config: RoadConfig) -> Scene:
    """The drive that a configuration describes."""
    bodies, ego = road_world(config)
    camera, base_from_camera = road_camera(config)
    drive = _Drive(config, bodies, ego, camera, base_from_camera)
    return Scene(
        camera=camera,
        static_transforms=(drive.base_from_lidar, base_from_camera),
        num_frames=config.num_frames,
        frame=drive.frame,
    )


def road_camera(config: RoadConfig) -> tuple[CameraModel, RigidTransform]:
    """The camera, and its pose on the vehicle."""
    camera = pinhole(
        width_px=config.image_width_px,
        height_px=config.image_height_px,
        focal_px=_FOCAL_PER_WIDTH * config.image_width_px,
    )
    base_from_camera = RigidTransform(
        target=BASE_FRAME,
        source=CAMERA_FRAME,
        rotation=_CAMERA_TILT @ _BODY_FROM_OPTICAL,
        translation_m=_CAMERA_IN_BASE_M,
    )
    return camera, base_from_camera


def road_world(config: RoadConfig) -> tuple[list[Body], Motion]:
    """What there is along the drive, and the motion of ``base_link`` through it."""
    course = Course(radius_m=config.curve_radius_m)
    duration_s = time_of(config.num_frames)
    stretch = Stretch(
        course=course,
        start_m=_BEHIND_M,
        end_m=_AHEAD_M + config.pace_mps * duration_s,
        duration_s=duration_s,
        pace_mps=config.pace_mps,
    )
    rng = np.random.default_rng([config.seed, 0])
    bodies, crossing_m = build_traffic(stretch, rng)
    bodies += build_street(course, start_m=stretch.start_m, end_m=stretch.end_m, rng=rng)
    if crossing_m is not None:
        bodies.append(zebra(course, crossing_m))
    return bodies, _ego_motion(course, config.pace_mps)


def _ego_motion(course: Course, pace_mps: float) -> Motion:
    """The LiDAR's motion: along the lane, nodding and swaying on the springs."""
    drive = travel(course, ego_place(pace_mps), lift_m=LIDAR_HEIGHT_M)

    def pose(time_s: float) -> Pose:
        rotation, position = drive(time_s)
        nod = turn(1, _PITCH_RAD * float(np.sin(2 * np.pi * _PITCH_HZ * time_s)))
        sway = turn(0, _ROLL_RAD * float(np.sin(2 * np.pi * _ROLL_HZ * time_s)))
        return rotation @ nod @ sway, position

    return pose


class _Drive:
    """Makes frames of a world of bodies."""

    def __init__(
        self,
        config: RoadConfig,
        bodies: Sequence[Body],
        ego: Motion,
        camera: CameraModel,
        base_from_camera: RigidTransform,
    ) -> None:
        self._seed = config.seed
        self._asked = Asked(
            classes=ROAD_CLASSES, min_points=config.min_points, min_pixels=config.min_pixels
        )
        self._bodies = bodies
        self._ego = ego
        self._camera = camera
        self._pixels = PinholeRays(camera)
        self._beams = SpinningRays(hdl64_elevations_rad(), num_azimuths=config.num_azimuths)
        self.base_from_lidar = RigidTransform(
            target=BASE_FRAME, source=LIDAR_FRAME, rotation=np.eye(3), translation_m=np.zeros(3)
        )
        self._base_from_camera = base_from_camera

    def frame(self, frame_idx: int) -> SimulatedFrame:
        """One frame; its noise depends on the seed and its number only."""
        stamp_ns, time_s = stamp_of(frame_idx), time_of(frame_idx)
        rng = np.random.default_rng([self._seed, 1, frame_idx])
        rotation, position = self._ego(time_s)
        world_from_base = RigidTransform(
            target=WORLD, source=BASE_FRAME, rotation=rotation, translation_m=position
        )
        snapshot = take_snapshot(self._bodies, time_s, center_m=position, radius_m=FARTHEST_M)
        cloud, range_view = scan(
            snapshot,
            self._beams,
            lidar_from_world=(world_from_base @ self.base_from_lidar).inverse(),
            stamp_ns=stamp_ns,
            rng=rng,
        )
        image, image_view = take_picture(
            snapshot,
            self._pixels,
            camera_from_world=(world_from_base @ self._base_from_camera).inverse(),
            stamp_ns=stamp_ns,
            farthest_m=SKY_M,
            rng=rng,
        )
        return assemble_frame(
            snapshot,
            self._asked,
            image=image,
            image_view=image_view,
            ranging=cloud,
            range_view=range_view,
            camera=self._camera,
            transforms=(world_from_base,),
            rng=rng,
        )
