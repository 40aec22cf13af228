"""Scenes that differ in all that a detector must not mind: light, air, colours, camera, place.

Domain randomisation: Tobin et al., IROS 2017. Everything is drawn wider than it is in reality, so
that reality is one more case.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.builders import turn
from perception_stack.simulation.light import Light
from perception_stack.simulation.motion import looking
from perception_stack.simulation.scene import BASE_FRAME, CAMERA_FRAME, pinhole
from perception_stack.simulation.world import WORLD, Snapshot

_NUM_WAVES = 5
_REPAINTED = 0.35
_ROAD_SIZES_PX = ((768, 256), (640, 224), (640, 192), (576, 324), (512, 384))
_TABLE_SIZES_PX = ((480, 360), (400, 300), (512, 288))
_OPTICAL_FROM_LEVEL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def any_light(rng: np.random.Generator) -> Light:
    """From noon to dusk, from clear to fog, from bare to patterned surfaces."""
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 1.3)
    day = rng.uniform(0.4, 1.3)
    tint = rng.uniform(0.85, 1.15, 3)
    horizon = np.clip(rng.uniform(120, 250) * day * tint, 0, 255)
    zenith = np.clip(horizon * rng.uniform(0.4, 1.1, 3), 0, 255)
    pitch = np.exp(rng.uniform(np.log(0.5), np.log(40.0), _NUM_WAVES))  # rad/m
    way = rng.standard_normal((3, _NUM_WAVES))
    grain = np.vstack(
        [way / np.linalg.norm(way, axis=0) * pitch, rng.uniform(0, 2 * np.pi, _NUM_WAVES)]
    )
    return Light(
        to_sun=(np.cos(azimuth), np.sin(azimuth), height),
        ambient=day * rng.uniform(0.25, 0.6),
        skylight=day * rng.uniform(0.05, 0.25),
        sunlight=day * rng.choice([rng.uniform(0, 0.2), rng.uniform(0.2, 0.8)]),
        horizon_bgr=(float(horizon[0]), float(horizon[1]), float(horizon[2])),
        zenith_bgr=(float(zenith[0]), float(zenith[1]), float(zenith[2])),
        haze_m=float(np.exp(rng.uniform(np.log(60.0), np.log(1500.0)))),
        noise_sigma=rng.uniform(0.5, 8.0),
        grain=grain.astype(np.float32),
        grain_depth=rng.uniform(0.0, 0.7),
    )


def repainted(snapshot: Snapshot, rng: np.random.Generator) -> Snapshot:
    """The same bodies in other colours; what was of one colour stays so."""
    blue, green, red = snapshot.bgr.astype(np.int64).T
    keys = ((snapshot.body_idx * 256 + blue) * 256 + green) * 256 + red
    _, first, coat = np.unique(keys, return_index=True, return_inverse=True)
    num = len(first)
    shade = np.exp(0.35 * rng.standard_normal((num, 1)) + 0.12 * rng.standard_normal((num, 3)))
    painted = np.where(
        rng.random((num, 1)) < _REPAINTED,
        rng.uniform(10, 245, (num, 3)),
        snapshot.bgr[first] * shade,
    )
    bgr = np.clip(painted, 0, 255).astype(np.uint8)[coat]
    return replace(snapshot, bgr=bgr)


def any_road_camera(rng: np.random.Generator) -> tuple[CameraModel, RigidTransform]:
    """A camera somewhere on a car, and its pose on it."""
    width, height = _ROAD_SIZES_PX[rng.integers(len(_ROAD_SIZES_PX))]
    camera = pinhole(width_px=width, height_px=height, focal_px=width * rng.uniform(0.45, 1.0))
    yaw = np.deg2rad(rng.choice([rng.normal(0, 3), rng.uniform(-40, 40)], p=[0.7, 0.3]))
    pitch, roll = np.deg2rad(rng.uniform(-3, 6)), np.deg2rad(rng.normal(0, 1.0))
    tilt = turn(2, yaw) @ turn(1, pitch) @ turn(0, roll)
    base_from_camera = RigidTransform(
        target=BASE_FRAME,
        source=CAMERA_FRAME,
        rotation=tilt @ _OPTICAL_FROM_LEVEL,
        # the vehicle's base is 1.73 m above the ground
        translation_m=np.array(
            [rng.uniform(-0.5, 1.5), rng.uniform(-0.5, 0.5), rng.uniform(-0.7, 0.5)]
        ),
    )
    return camera, base_from_camera


def any_table_camera(
    rng: np.random.Generator, *, height_m: float
) -> tuple[CameraModel, RigidTransform]:
    """A camera somewhere around a table, and its pose in the world.

    Args:
        rng: Decides.
        height_m: Of the table.
    """
    width, height = _TABLE_SIZES_PX[rng.integers(len(_TABLE_SIZES_PX))]
    camera = pinhole(width_px=width, height_px=height, focal_px=width * rng.uniform(0.7, 1.2))
    angle, away_m = rng.uniform(-np.pi, np.pi), rng.uniform(0.4, 1.0)
    aim = np.array([*rng.uniform(-0.15, 0.15, 2), height_m])
    arm = np.array([away_m * np.cos(angle), away_m * np.sin(angle), rng.uniform(0.15, 0.8)])
    position = aim + arm
    roll = turn(2, np.deg2rad(rng.normal(0, 4)))
    pose = RigidTransform(
        target=WORLD,
        source=CAMERA_FRAME,
        rotation=looking(position, aim) @ roll,
        translation_m=position,
    )
    return camera, pose
