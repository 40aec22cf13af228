"""Single LiDAR scans with labels, of ever different streets, sensors and places: to learn from.

Sensors differ in height, beams and columns; they stand anywhere on the carriageway and look in any
direction. What a street of :mod:`perception_stack.simulation.road` lacks and a network would take
for a road user is put beside it: hedges, bushes, bins and cabinets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray, PointCloud
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.builders import ball, box, turn
from perception_stack.simulation.course import CARRIAGEWAY_M, PAVEMENT_M, Course
from perception_stack.simulation.lidar import hdl64_elevations_rad, scan
from perception_stack.simulation.mesh import Material, Mesh, merge
from perception_stack.simulation.raycast import SpinningRays
from perception_stack.simulation.road import ROAD_CLASSES
from perception_stack.simulation.street import build_street
from perception_stack.simulation.traffic import Stretch, build_traffic
from perception_stack.simulation.world import BACKGROUND, WORLD, Body, background, take_snapshot

LIDAR_FRAME = "velodyne"
_START_M, _END_M = -120.0, 120.0
_PLACES_M = (-60.0, 60.0)
_DURATION_S = 8.0
_FREE_M = 3.5
_RADIUS_M = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """A spinning LiDAR and how it is mounted.

    Attributes:
        elevation_rad: float64 [H], falling, of the beams.
        num_azimuths: Columns of a turn.
        height_m: Above the ground.
        tilt_rad: Pitch and roll, float64 [2].
    """

    elevation_rad: FloatArray
    num_azimuths: int
    height_m: float
    tilt_rad: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledScan:
    """A scan and what is in it.

    Attributes:
        cloud: The scan, in the LiDAR's frame.
        boxes: All road users within reach, in the same frame.
        num_points: int64 [N], points on each.
        scanner: What took it.
    """

    cloud: PointCloud
    boxes: Boxes3D
    num_points: NDArray[np.int64]
    scanner: Scanner


def random_scanner(rng: np.random.Generator) -> Scanner:
    """Half of them a Velodyne HDL-64E on a car, the others anything from 32 to 128 beams."""
    tilt_rad = rng.normal(0, np.deg2rad(0.5), 2)
    if rng.random() < 0.5:
        height_m = 1.73 + rng.uniform(-0.25, 0.25)
        return Scanner(
            elevation_rad=hdl64_elevations_rad(),
            num_azimuths=1800,
            height_m=height_m,
            tilt_rad=tilt_rad,
        )
    num_beams = int(rng.choice([32, 40, 64, 128]))
    top_deg, bottom_deg = rng.uniform(2, 15), rng.uniform(-30, -18)
    return Scanner(
        elevation_rad=np.deg2rad(np.linspace(top_deg, bottom_deg, num_beams)),
        num_azimuths=int(rng.choice([1024, 1800, 2048])),
        height_m=rng.uniform(1.3, 2.3),
        tilt_rad=tilt_rad,
    )


def labelled_scans(
    seed: int, *, num: int, scanner: Scanner | None = None
) -> Iterator[LabelledScan]:
    """Scans of one street.

    Args:
        seed: Another seed, another street; the same one gives the same scans.
        num: How many, at different times and places.
        scanner: The sensor; a random one each time if None.
    """
    rng = np.random.default_rng([seed, 77])
    radius_m = float(rng.choice([-1, 1]) * np.exp(rng.uniform(np.log(90), np.log(2000))))
    course = Course(radius_m=radius_m)
    stretch = Stretch(
        course=course,
        start_m=_START_M,
        end_m=_END_M,
        duration_s=_DURATION_S,
        pace_mps=rng.uniform(4, 12),
    )
    bodies, _ = build_traffic(stretch, rng)
    bodies += build_street(course, start_m=_START_M, end_m=_END_M, rng=rng)
    bodies += _clutter(course, rng)
    for _ in range(num):
        one = scanner if scanner is not None else random_scanner(rng)
        time_s = rng.uniform(0, _DURATION_S)
        world_from_lidar = _free_place(bodies, course, one, time_s, rng)
        yield _look(bodies, world_from_lidar, one, time_s, rng)


def _clutter(course: Course, rng: np.random.Generator) -> list[Body]:
    """Things along the kerbs and the yards that are no road users."""
    parts: list[Mesh] = []
    for along_m in np.arange(_START_M, _END_M, 6.0):
        for side in (-1, 1):
            if rng.random() < 0.5:
                parts.append(_thing(course, along_m + rng.uniform(0, 6), side, rng))
    return [background(merge(*parts[i::8])) for i in range(8) if parts[i::8]]


def _thing(course: Course, along_m: float, side: int, rng: np.random.Generator) -> Mesh:
    stuff = Material(bgr=(90, 100, 90), reflectance=float(rng.uniform(0.15, 0.5)))
    at_kerb = rng.random() < 0.4
    if at_kerb:  # bins, cabinets, bollards
        size = rng.uniform((0.15, 0.15, 0.5), (0.7, 0.6, 1.5))
        mesh, aside_m = box(tuple(size), stuff, center_m=(0, 0, size[2] / 2)), CARRIAGEWAY_M + 0.45
    elif rng.random() < 0.5:  # hedges and walls of the yards
        size = rng.uniform((1.0, 0.3, 0.6), (5.0, 1.0, 1.8))
        mesh, aside_m = box(tuple(size), stuff, center_m=(0, 0, size[2] / 2)), PAVEMENT_M
    else:
        radii = rng.uniform((0.3, 0.3, 0.3), (1.0, 1.0, 1.0))
        mesh = ball(tuple(radii), stuff, center_m=(0, 0, 0.8 * radii[2]))
        aside_m = PAVEMENT_M + rng.uniform(0.2, 1.0)
    rotation, base = course.pose(along_m, side * aside_m, 0.0)
    return mesh.moved(*base, rotation=rotation)


def _free_place(
    bodies: list[Body],
    course: Course,
    scanner: Scanner,
    time_s: float,
    rng: np.random.Generator,
) -> RigidTransform:
    """A pose of the scanner above the carriageway with nobody too near."""
    places_m = np.array([body.motion(time_s)[1] for body in bodies if body.track_id != BACKGROUND])
    pitch_rad, roll_rad = scanner.tilt_rad
    while True:
        aside_m = rng.uniform(-0.6, 0.6) * CARRIAGEWAY_M
        rotation, position_m = course.pose(rng.uniform(*_PLACES_M), aside_m, scanner.height_m)
        if np.linalg.norm(places_m - position_m, axis=1).min(initial=np.inf) > _FREE_M:
            break
    heading = turn(2, rng.uniform(-np.pi, np.pi))
    return RigidTransform(
        target=WORLD,
        source=LIDAR_FRAME,
        rotation=rotation @ heading @ turn(1, pitch_rad) @ turn(0, roll_rad),
        translation_m=position_m,
    )


def _look(
    bodies: list[Body],
    world_from_lidar: RigidTransform,
    scanner: Scanner,
    time_s: float,
    rng: np.random.Generator,
) -> LabelledScan:
    snapshot = take_snapshot(
        bodies, time_s, center_m=world_from_lidar.translation_m, radius_m=_RADIUS_M
    )
    cloud, view = scan(
        snapshot,
        SpinningRays(scanner.elevation_rad, num_azimuths=scanner.num_azimuths),
        lidar_from_world=world_from_lidar.inverse(),
        stamp_ns=0,
        rng=rng,
    )
    rows = np.flatnonzero(snapshot.track_ids != BACKGROUND)
    labels = [snapshot.bodies[row].label for row in rows]
    boxes = Boxes3D(
        frame_id=WORLD,
        stamp_ns=0,
        center_m=snapshot.positions_m[rows],
        quat_xyzw=snapshot.quats_xyzw[rows],
        size_lwh_m=np.array([snapshot.bodies[row].size_lwh_m for row in rows]).reshape(-1, 3),
        covariance=np.zeros((len(rows), 6, 6)),
        score=np.ones(len(rows)),
        classes=ROAD_CLASSES,
        class_probs=np.eye(len(ROAD_CLASSES))[[ROAD_CLASSES.index(one) for one in labels]],
        sensors=(("lidar",),) * len(rows),
    )
    return LabelledScan(
        cloud=cloud,
        boxes=transform_boxes(boxes, world_from_lidar.inverse()),
        num_points=view.num_measured[rows],
        scanner=scanner,
    )
