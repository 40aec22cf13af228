"""An RGB-D camera moving around a table with known objects or a pile; exact poses of all of them.

A robot stands beside the table (``base_link``, still in ``odom``) and carries the camera on its
arm, so ``camera_optical`` moves in ``base_link``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.config import StepConfig, param
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.builders import box, sheet, turn
from perception_stack.simulation.camera import take_picture
from perception_stack.simulation.depth_camera import measure_depth
from perception_stack.simulation.mesh import Material, Mesh, merge
from perception_stack.simulation.motion import looking, standing
from perception_stack.simulation.raycast import PinholeRays
from perception_stack.simulation.scene import (
    BASE_FRAME,
    CAMERA_FRAME,
    Scene,
    SimulatedFrame,
    pinhole,
    stamp_of,
    time_of,
)
from perception_stack.simulation.table_objects import KnownObject, known_objects
from perception_stack.simulation.table_pile import PILE_CLASSES, Placed, clutter, pile
from perception_stack.simulation.truth import Asked, assemble_frame
from perception_stack.simulation.world import WORLD, Body, background, take_snapshot

TABLE_HEIGHT_M = 0.74
TABLE_CLASSES = ("ball", "bottle", "bracket", "can", "carton", "mug", "wedge")

_TOP_LWH_M = (1.2, 1.3, 0.04)
_WOOD = Material(bgr=(110, 160, 195), reflectance=0.5)
_FLOOR = Material(bgr=(120, 125, 130), reflectance=0.4)
_WALL = Material(bgr=(205, 210, 215), reflectance=0.6)
_SPREAD_M = np.array([0.24, 0.34])
_GAP_M = 0.015
_NUM_CANDIDATES = 300
_FOCAL_PER_WIDTH = 0.95
_BASE_IN_WORLD_M = np.array([-1.1, 0.0, 0.0])
_ORBIT_RADIUS_M, _ORBIT_HEIGHT_M = 0.75, 0.45
_ORBIT_SWING_RAD, _ORBIT_PERIOD_S = np.deg2rad(35.0), 12.0
_FARTHEST_M = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableConfig(StepConfig):
    """What table to simulate."""

    seed: int = param(0, "Picks the objects' places and the noise.", low=0)
    num_frames: int = param(30, "Number of frames, ten a second.", low=1, high=1000)
    image_width_px: int = param(640, "Image width.", unit="px", low=64, high=4096)
    image_height_px: int = param(480, "Image height.", unit="px", low=32, high=4096)
    min_pixels: int = param(400, "Pixels from which an object counts.", low=1)
    num_piled: int = param(
        0, "Bodies of a heap, instead of the known objects; none if 0.", low=0, high=40
    )
    num_cluttered: int = param(
        0, "Known objects pushed together, instead of one of each; none if 0.", low=0, high=40
    )


def table_scene(config: TableConfig) -> Scene:
    """The scene that a configuration describes.

    The camera swings around the table, 35° to both sides in 12 s, and looks at its middle.
    """
    bodies = table_world(config)
    asked = Asked(
        classes=PILE_CLASSES if config.num_piled else TABLE_CLASSES,
        min_points=config.min_pixels,
        min_pixels=config.min_pixels,
    )
    camera = table_camera(config)
    rays = PinholeRays(camera)
    world_from_base = RigidTransform(
        target=WORLD, source=BASE_FRAME, rotation=np.eye(3), translation_m=_BASE_IN_WORLD_M
    )

    def frame(frame_idx: int) -> SimulatedFrame:
        stamp_ns, time_s = stamp_of(frame_idx), time_of(frame_idx)
        rng = np.random.default_rng([config.seed, 1, frame_idx])
        world_from_camera = orbit(time_s)
        snapshot = take_snapshot(bodies, time_s, center_m=np.zeros(3), radius_m=_FARTHEST_M)
        image, image_view = take_picture(
            snapshot,
            rays,
            camera_from_world=world_from_camera.inverse(),
            stamp_ns=stamp_ns,
            farthest_m=_FARTHEST_M,
            rng=rng,
        )
        depth, range_view = measure_depth(
            snapshot,
            rays,
            image_view.hits,
            camera_from_world=world_from_camera.inverse(),
            stamp_ns=stamp_ns,
            rng=rng,
        )
        return assemble_frame(
            snapshot,
            asked,
            image=image,
            image_view=image_view,
            ranging=depth,
            range_view=range_view,
            camera=camera,
            transforms=(world_from_base.inverse() @ world_from_camera,),
            rng=rng,
        )

    return Scene(
        camera=camera,
        static_transforms=(world_from_base,),
        num_frames=config.num_frames,
        frame=frame,
    )


def table_camera(config: TableConfig) -> CameraModel:
    """The camera."""
    return pinhole(
        width_px=config.image_width_px,
        height_px=config.image_height_px,
        focal_px=_FOCAL_PER_WIDTH * config.image_width_px,
    )


def table_world(config: TableConfig) -> list[Body]:
    """What lies on the table, and the room."""
    layout = np.random.default_rng([config.seed, 0])
    if config.num_piled:
        things = _piled(pile(config.num_piled, layout))
    elif config.num_cluttered:
        things = _piled(clutter(known_objects(), config.num_cluttered, layout))
    else:
        things = _lay_out(known_objects(), layout)
    return [*things, _room()]


def orbit(time_s: float) -> RigidTransform:
    """The camera's pose in the world: on the robot's side of the table, looking at its middle."""
    angle = np.pi + _ORBIT_SWING_RAD * np.sin(2 * np.pi * time_s / _ORBIT_PERIOD_S)
    middle = np.array([0.0, 0.0, TABLE_HEIGHT_M])
    arm = np.array([np.cos(angle), np.sin(angle), 0.0]) * _ORBIT_RADIUS_M
    position = middle + arm + np.array([0.0, 0.0, _ORBIT_HEIGHT_M])
    return RigidTransform(
        target=WORLD,
        source=CAMERA_FRAME,
        rotation=looking(position, middle),
        translation_m=position,
    )


def _lay_out(known: Sequence[KnownObject], rng: np.random.Generator) -> list[Body]:
    """Every object somewhere on the table in one of its rests, none touching another."""
    bodies: list[Body] = []
    places_m, radii_m = np.empty((0, 2)), np.empty(0)
    for track_id, one in enumerate(known):
        rest = one.rests[rng.integers(len(one.rests))]
        rotation = turn(2, rng.uniform(-np.pi, np.pi)) @ rest
        corners = one.mesh.triangles_m.reshape(-1, 3) @ rotation.T
        radius_m = np.linalg.norm(corners[:, :2], axis=1).max()
        candidates = rng.uniform(-_SPREAD_M, _SPREAD_M, (_NUM_CANDIDATES, 2))
        apart = np.linalg.norm(candidates[:, None] - places_m, axis=2) - radii_m - radius_m
        clear_m = np.minimum(apart.min(axis=1, initial=np.inf), _GAP_M)
        place = candidates[np.argmax(clear_m)]  # the first that is clear, else the clearest
        places_m, radii_m = np.vstack([places_m, place]), np.append(radii_m, radius_m)
        position = np.append(place, TABLE_HEIGHT_M - corners[:, 2].min())
        bodies.append(
            Body(
                track_id=track_id,
                label=one.name,
                size_lwh_m=one.mesh.size_lwh_m,
                motion=standing(rotation, position),
                shapes=(one.mesh,),
            )
        )
    return bodies


def _piled(placed: Sequence[Placed]) -> list[Body]:
    return [
        Body(
            track_id=track_id,
            label=one.label,
            size_lwh_m=one.mesh.size_lwh_m,
            motion=standing(one.rotation, one.position_m + np.array([0.0, 0.0, TABLE_HEIGHT_M])),
            shapes=(one.mesh,),
        )
        for track_id, one in enumerate(placed)
    ]


def _room() -> Body:
    """Table, floor and the wall behind."""
    length, width, thickness = _TOP_LWH_M
    under_m = TABLE_HEIGHT_M - thickness
    legs: list[Mesh] = [
        box((0.05, 0.05, under_m), _WOOD, center_m=(x, y, under_m / 2))
        for x in (-0.5 * length + 0.05, 0.5 * length - 0.05)
        for y in (-0.5 * width + 0.05, 0.5 * width - 0.05)
    ]
    top = box(_TOP_LWH_M, _WOOD, center_m=(0.0, 0.0, TABLE_HEIGHT_M - thickness / 2))
    floor = np.array([[[x, y, 0.0] for y in (-4.0, 4.0)] for x in (-4.0, 2.0)])
    wall = np.array([[[2.0, y, z] for y in (-4.0, 4.0)] for z in (0.0, 3.0)])
    return background(merge(*legs, top, sheet(floor, _FLOOR), sheet(wall, _WALL)))
