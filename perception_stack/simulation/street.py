"""What stands along a simulated road: ground, kerbs, markings, houses, lamp posts, trees."""

from __future__ import annotations

import numpy as np

from perception_stack.simulation.builders import ball, box, lathe, prism, sheet, turn
from perception_stack.simulation.course import CARRIAGEWAY_M, KERB_HEIGHT_M, PAVEMENT_M, Course
from perception_stack.simulation.mesh import Material, Mesh, merge
from perception_stack.simulation.world import Body, background

_ASPHALT = Material(bgr=(88, 84, 82), reflectance=0.12)
_PAVING = Material(bgr=(150, 152, 156), reflectance=0.30)
_KERB = Material(bgr=(185, 186, 188), reflectance=0.35)
_PAINT = Material(bgr=(235, 235, 235), reflectance=0.70)
_GRASS = Material(bgr=(70, 125, 90), reflectance=0.40)
_GLASS = Material(bgr=(115, 95, 75), reflectance=0.03)
_METAL = Material(bgr=(95, 100, 95), reflectance=0.45)
_BARK = Material(bgr=(50, 70, 90), reflectance=0.35)
_LEAVES = Material(bgr=(55, 120, 70), reflectance=0.35)
_WALLS = tuple(
    Material(bgr=bgr, reflectance=0.40)
    for bgr in (
        (150, 190, 215),
        (185, 195, 200),
        (120, 140, 190),
        (165, 205, 225),
        (150, 165, 170),
    )
)
_ROOF = Material(bgr=(60, 75, 130), reflectance=0.25)

_STATION_M = 2.0
_PIECE_M = 24.0
_MARKING_LIFT_M = 0.004


def build_street(
    course: Course, *, start_m: float, end_m: float, rng: np.random.Generator
) -> list[Body]:
    """The background of a stretch of road, in pieces so that far ones can be left out.

    Args:
        course: The road.
        start_m: First place along the centre line.
        end_m: Last place.
        rng: Decides on houses, trees and gaps.
    """
    lowest_m = float(course.relief(np.arange(start_m, end_m)).min()) - 40.0 * abs(course.bank)
    plain = np.array([[[x, y, lowest_m - 1] for y in (-600.0, 600.0)] for x in (-600.0, 600.0)])
    plain[..., 0] += course.points(np.array((start_m + end_m) / 2), np.zeros(()), np.zeros(()))[0]
    bodies = [background(sheet(plain, _GRASS))]
    for first in np.arange(start_m, end_m, _PIECE_M):
        parts = [_ground(course, first), _posts(course, first, rng)]
        parts += [_house(course, first, side, rng) for side in (-1, 1) if rng.random() < 0.85]
        bodies.append(background(merge(*parts)))
    return bodies


def zebra(course: Course, along_m: float) -> Body:
    """Stripes of a pedestrian crossing."""
    return background(
        merge(
            *(
                _marking(course, (along_m - 1.5, along_m + 1.5), (aside, aside + 0.5))
                for aside in np.arange(-CARRIAGEWAY_M + 0.4, CARRIAGEWAY_M - 0.5, 1.0)
            )
        )
    )


def _ground(course: Course, first_m: float) -> Mesh:
    """Carriageway, kerbs, pavements and yards of one piece."""
    stations = np.arange(first_m, first_m + _PIECE_M + 1e-6, _STATION_M)
    edge, back = CARRIAGEWAY_M, PAVEMENT_M
    right = [
        (_GRASS, [(-40.0, KERB_HEIGHT_M), (-back, KERB_HEIGHT_M)]),
        (_PAVING, [(-back, KERB_HEIGHT_M), (-edge - 0.15, KERB_HEIGHT_M)]),
        (_KERB, [(-edge - 0.15, KERB_HEIGHT_M), (-edge, KERB_HEIGHT_M), (-edge, 0.0)]),
        (_ASPHALT, [(d, 0.0) for d in (-edge, -3.0, -1.5, -0.75, 0.0)]),
    ]
    left = [(material, [(-d, z) for d, z in reversed(line)]) for material, line in right]
    strips = []
    for material, line in right + left:
        aside, lift = np.array(line).T
        strips.append(sheet(course.points(stations[:, None], aside, lift), material))
    dashes = [
        _marking(course, (along, along + 3.0), (-0.06, 0.06))
        for along in np.arange(first_m, first_m + _PIECE_M - 1, 8.0)
    ]
    return merge(*strips, *dashes)


def _marking(course: Course, along_m: tuple[float, float], aside_m: tuple[float, float]) -> Mesh:
    """A painted patch just above the carriageway."""
    along = np.linspace(*along_m, 3)[:, None]
    aside = np.array([aside_m[0], min(max(0.0, aside_m[0]), aside_m[1]), aside_m[1]])
    return sheet(course.points(along, aside, np.array(_MARKING_LIFT_M)), _PAINT)


def _posts(course: Course, first_m: float, rng: np.random.Generator) -> Mesh:
    """A lamp post or a tree on each side."""
    parts = []
    for side in (-1, 1):
        rotation, base = course.pose(
            first_m + rng.uniform(4, _PIECE_M - 4), side * (CARRIAGEWAY_M + 0.4), 0.0
        )
        if rng.random() < 0.5:
            height_m = rng.uniform(5.0, 7.0)
            post = merge(
                lathe([(0.09, -0.2), (0.06, height_m)], _METAL, num_sides=8),
                box((0.2, 1.2, 0.12), _METAL, center_m=(0.0, -side * 0.5, height_m)),
            )
        else:
            crown_m = rng.uniform(1.2, 1.7)
            post = merge(
                lathe([(0.17, -0.2), (0.13, 3.2)], _BARK, num_sides=8),
                ball(
                    (crown_m, crown_m, 1.2 * crown_m), _LEAVES, center_m=(0.0, 0.0, 3.0 + crown_m)
                ),
            )
        parts.append(post.moved(*base, rotation=rotation))
    return merge(*parts)


def _house(course: Course, first_m: float, side: int, rng: np.random.Generator) -> Mesh:
    """A house with windows towards the street and a gabled roof, x along the street."""
    length_m = rng.uniform(0.62, 0.95) * _PIECE_M
    num_floors = int(rng.integers(2, 5))
    depth_m, floor_m, yard_m = 9.0, 3.0, rng.uniform(0.5, 2.5)
    height_m = num_floors * floor_m
    wall = _WALLS[rng.integers(len(_WALLS))]
    parts = [
        box((length_m, depth_m, height_m + 1.0), wall, center_m=(0.0, 0.0, height_m / 2 - 0.5)),
        prism(
            [(-depth_m / 2, 0.0), (depth_m / 2, 0.0), (0.0, 3.0)],
            np.array([-length_m / 2, length_m / 2]),
            _ROOF,
        ).moved(z_m=height_m, rotation=turn(2, np.pi / 2) @ turn(0, np.pi / 2)),
    ]
    front_y = -side * (depth_m / 2 + 0.03)
    for x in np.arange(-length_m / 2 + 1.5, length_m / 2 - 1.2, 2.4):
        for floor in range(num_floors):
            corners = np.array([[x + dx, z] for z in (0.9, 2.3) for dx in (-0.5, 0.5)])
            pane = np.insert(corners, 1, front_y, axis=1).reshape(2, 2, 3)
            pane[..., 2] += floor * floor_m
            # x × z points to -y: towards the street for houses on its left
            grid = pane.swapaxes(0, 1) if side > 0 else pane
            parts.append(sheet(grid, _GLASS))
    rotation, base = course.pose(
        first_m + _PIECE_M / 2, side * (PAVEMENT_M + yard_m + depth_m / 2), 0.0
    )
    return merge(*parts).moved(*base, rotation=rotation)
