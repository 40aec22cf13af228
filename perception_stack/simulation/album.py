"""Simulated pictures with labelled boxes, to train and to test image detectors on.

A scene is a drive or a table and gives some pictures. What it looks like depends on its seed only.
Seeds of the splits are far apart, and far from those that people type.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation import variety
from perception_stack.simulation.camera import take_picture
from perception_stack.simulation.light import DAYLIGHT
from perception_stack.simulation.raycast import PinholeRays, View
from perception_stack.simulation.road import (
    ROAD_CLASSES,
    SKY_M,
    RoadConfig,
    road_camera,
    road_world,
)
from perception_stack.simulation.scene import BASE_FRAME, time_of
from perception_stack.simulation.table import (
    TABLE_CLASSES,
    TABLE_HEIGHT_M,
    TableConfig,
    orbit,
    table_camera,
    table_world,
)
from perception_stack.simulation.world import BACKGROUND, WORLD, Body, Snapshot, take_snapshot

CLASSES = (*ROAD_CLASSES, *TABLE_CLASSES)
PICTURES_A_SCENE = 12

_AHEAD_M, _NEAR_M = 60.0, 65.0  # a ball before the camera that holds all it could tell apart
_ROOM_M = 10.0
_TABLE_EVERY = 3
_NUM_FRAMES = 100
_HARD_PX, _HARD_OCCLUDED = 400, 0.8
_HOPELESS_PX, _HOPELESS_OCCLUDED = 120, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Scenes that are kept apart from all others.

    Attributes:
        first_seed: Of its scenes.
        plain: Share of the scenes that look as ``perception-stack simulate`` makes them; the
            others are varied.
    """

    first_seed: int
    plain: float


SPLITS = {
    "train": Split(first_seed=1_000_000, plain=0.4),
    "val": Split(first_seed=2_000_000, plain=0.5),
    "test": Split(first_seed=3_000_000, plain=1.0),
    "varied": Split(first_seed=4_000_000, plain=0.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One picture.

    Attributes:
        scene: Number of the scene within its split.
        plain: Whether it looks as ``perception-stack simulate`` makes it.
        bgr: uint8 [H, W, 3].
        xyxy_px: float64 [N, 4], around all pixels that point at an object, occluded or not, cut at
            the border; corners count from the border of the first pixel, as in COCO.
        labels: N of :data:`CLASSES`.
        visible_px: int64 [N], pixels that show the object.
        occluded: float64 [N], share that something else hides.
        hopeless: bool [N], nobody can be asked to find it; neither right nor wrong.
        hard: bool [N], also those that do not count in scores: fewer than 400 visible pixels, as
            in the simulator's own truth (in images as large as its own), or more than 80 % hidden.
    """

    scene: int
    plain: bool
    bgr: NDArray[np.uint8]
    xyxy_px: FloatArray
    labels: tuple[str, ...]
    visible_px: NDArray[np.int64]
    occluded: FloatArray
    hopeless: NDArray[np.bool_]
    hard: NDArray[np.bool_]


def is_table(scene: int) -> bool:
    """Whether a scene is a table; it is a road otherwise."""
    return scene % _TABLE_EVERY == 0


def pictures(split: str, scene: int) -> Iterator[Labelled]:
    """The pictures of one scene of a split, a key of :data:`SPLITS`."""
    kind = SPLITS[split]
    seed = kind.first_seed + scene
    rng = np.random.default_rng([seed, 9])
    plain = bool(rng.random() < kind.plain)
    make = _table if is_table(scene) else _road
    for snapshot, camera, camera_from_world, usual_width_px in make(seed, plain, rng):
        light = DAYLIGHT if plain else variety.any_light(rng)
        image, view = take_picture(
            snapshot if plain else variety.repainted(snapshot, rng),
            PinholeRays(camera),
            camera_from_world=camera_from_world,
            stamp_ns=0,
            farthest_m=SKY_M,
            rng=rng,
            light=light,
        )
        yield _labelled(snapshot, view, scene=scene, plain=plain, bgr=image.bgr,
                        area=(camera.width_px / usual_width_px) ** 2)  # fmt: skip


_Shot = tuple[Snapshot, CameraModel, RigidTransform, int]


def _road(seed: int, plain: bool, rng: np.random.Generator) -> Iterator[_Shot]:
    config = RoadConfig(seed=seed, num_frames=_NUM_FRAMES)
    if not plain:
        radius_m = float(np.exp(rng.uniform(np.log(90.0), np.log(3000.0))))
        config = replace(config, curve_radius_m=radius_m, pace_mps=rng.uniform(4, 12))
    bodies, ego = road_world(config)
    for time_s in rng.uniform(0, time_of(_NUM_FRAMES), PICTURES_A_SCENE):
        camera, base_from_camera = road_camera(config) if plain else variety.any_road_camera(rng)
        rotation, position = ego(time_s)
        world_from_base = RigidTransform(
            target=WORLD, source=BASE_FRAME, rotation=rotation, translation_m=position
        )
        world_from_camera = world_from_base @ base_from_camera
        ahead_m = world_from_camera.apply(np.array([[0.0, 0.0, _AHEAD_M]]))[0]
        snapshot = take_snapshot(bodies, time_s, center_m=ahead_m, radius_m=_NEAR_M)
        yield snapshot, camera, world_from_camera.inverse(), config.image_width_px


def _table(seed: int, plain: bool, rng: np.random.Generator) -> Iterator[_Shot]:
    # known objects apart from each other, or pushed together
    num = int(rng.integers(4, 13)) if rng.random() < 0.4 else 0
    config = TableConfig(seed=seed, num_cluttered=num)
    bodies: list[Body] = table_world(config)
    for time_s in rng.uniform(0, 12.0, PICTURES_A_SCENE):
        if plain:
            camera, world_from_camera = table_camera(config), orbit(time_s)
        else:
            camera, world_from_camera = variety.any_table_camera(rng, height_m=TABLE_HEIGHT_M)
        snapshot = take_snapshot(bodies, 0.0, center_m=np.zeros(3), radius_m=_ROOM_M)
        yield snapshot, camera, world_from_camera.inverse(), config.image_width_px


def _labelled(
    snapshot: Snapshot,
    view: View,
    *,
    scene: int,
    plain: bool,
    bgr: NDArray[np.uint8],
    area: float,
) -> Labelled:
    """What is to be seen, larger objects in larger images."""
    there = np.flatnonzero((snapshot.track_ids != BACKGROUND) & (view.hits.num_alone > 0))
    first_row, last_row, first_col, last_col = view.hits.extent[there].T
    visible_px, occluded = view.num_measured[there], view.occluded[there]
    return Labelled(
        scene=scene,
        plain=plain,
        bgr=bgr,
        xyxy_px=np.column_stack([first_col, first_row, last_col + 1, last_row + 1]).astype(float),
        labels=tuple(snapshot.bodies[row].label for row in there),
        visible_px=visible_px,
        occluded=occluded,
        hopeless=(visible_px < _HOPELESS_PX * area) | (occluded > _HOPELESS_OCCLUDED),
        hard=(visible_px < _HARD_PX * area) | (occluded > _HARD_OCCLUDED),
    )
