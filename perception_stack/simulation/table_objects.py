"""The known objects of the table scene: meshes made here, with their symmetries.

Each mesh has its origin in the middle of its extents, so the pose of the mesh is the pose of its
box. Walls have a thickness and nothing is hidden inside, so points sampled on a mesh are points
that can be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.simulation.builders import ball, box, lathe, prism, tube, turn
from perception_stack.simulation.mesh import Material, Mesh, fitted, merge, write_ply

_UPRIGHT = np.eye(3)
_ON_SIDE = turn(1, np.pi / 2)
_ON_BACK = turn(0, np.pi / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownObject:
    """One object.

    Attributes:
        name: Its class.
        mesh: Centred in its extents, z up when it stands as usual.
        symmetric: It looks the same (shape, not colour) in more than one orientation, so poses
            are to be compared by ADD-S instead of ADD.
        rests: Rotations in which it lies still on a level face.
    """

    name: str
    mesh: Mesh
    symmetric: bool
    rests: tuple[FloatArray, ...]


@cache
def known_objects() -> tuple[KnownObject, ...]:
    """All objects there are, by name in alphabetical order."""
    makers: dict[str, tuple[Callable[[], Mesh], bool, tuple[FloatArray, ...]]] = {
        "ball": (_ball, True, (_UPRIGHT,)),
        "bottle": (_bottle, True, (_UPRIGHT, _ON_SIDE)),
        "bracket": (_bracket, False, (_UPRIGHT, _ON_BACK)),
        "can": (_can, True, (_UPRIGHT, _ON_SIDE)),
        "carton": (_carton, True, (_UPRIGHT, _ON_SIDE, _ON_BACK)),
        "mug": (_mug, False, (_UPRIGHT, turn(0, np.pi))),
        "wedge": (_wedge, False, (_UPRIGHT,)),
    }
    objects = []
    for name, (make, symmetric, rests) in makers.items():
        rough = make()
        (mesh,) = fitted([rough], rough.size_lwh_m)
        objects.append(KnownObject(name=name, mesh=mesh, symmetric=symmetric, rests=rests))
    return tuple(objects)


def write_meshes(folder: Path) -> tuple[Path, ...]:
    """Write ``<name>.ply`` of every object, metres, and say where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for known in known_objects():
        path = folder / f"{known.name}.ply"
        write_ply(known.mesh, path)
        paths.append(path)
    return tuple(paths)


def _ball() -> Mesh:
    return ball((0.045, 0.045, 0.045), Material(bgr=(40, 120, 235), reflectance=0.5), num_sides=32)


def _bottle() -> Mesh:
    profile = [
        (0.034, 0.0),
        (0.036, 0.01),
        (0.036, 0.13),
        (0.030, 0.155),
        (0.015, 0.185),
        (0.014, 0.215),
        (0.017, 0.217),
        (0.017, 0.235),
    ]
    return lathe(profile, Material(bgr=(70, 150, 60), reflectance=0.4), num_sides=32)


def _bracket() -> Mesh:
    """L with unequal legs; its inner corner comes first, since it sees the whole outline."""
    outline = [(0.03, 0.025), (0.03, 0.11), (0.0, 0.11), (0.0, 0.0), (0.15, 0.0), (0.15, 0.025)]
    return prism(outline, np.array([0.0, 0.05]), Material(bgr=(170, 95, 60), reflectance=0.5))


def _can() -> Mesh:
    profile = [(0.03, 0.0), (0.033, 0.004), (0.033, 0.112), (0.028, 0.118)]
    return lathe(profile, Material(bgr=(60, 60, 200), reflectance=0.5), num_sides=32)


def _carton() -> Mesh:
    return box((0.12, 0.07, 0.17), Material(bgr=(90, 200, 230), reflectance=0.6))


def _mug() -> Mesh:
    glaze = Material(bgr=(200, 200, 205), reflectance=0.6)
    outer, inner, height, floor = 0.042, 0.038, 0.095, 0.006
    profile = [(outer, 0.0), (outer, height), (inner, height), (inner, floor), (0.0, floor)]
    angle = np.linspace(-np.pi / 2, np.pi / 2, 13)
    # the handle's ends stop within the wall
    handle = np.column_stack(
        [outer - 0.002 + 0.03 * np.cos(angle), 0 * angle, 0.05 + 0.028 * np.sin(angle)]
    )
    return merge(
        lathe(profile, glaze, num_sides=32), tube(handle.tolist(), 0.006, glaze, num_sides=10)
    )


def _wedge() -> Mesh:
    """Door stop, 6 cm wide, thinner ahead."""
    outline = [(0.0, 0.0), (0.14, 0.0), (0.14, 0.015), (0.0, 0.07)]
    slope = prism(outline, np.array([0.0, 0.06]), Material(bgr=(110, 60, 150), reflectance=0.5))
    return slope.moved(rotation=_ON_BACK)
