"""A stock of road users of several sizes and colours, each used any number of times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.simulation import actors
from perception_stack.simulation.mesh import Material, Mesh

_PAINTS = (
    (200, 200, 205),
    (60, 60, 62),
    (150, 90, 50),
    (50, 50, 170),
    (130, 130, 135),
    (90, 130, 70),
)
_CLOTHES = ((70, 60, 180), (170, 110, 60), (80, 150, 90), (60, 190, 220), (150, 80, 150))


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One kind of body.

    Attributes:
        label: Class.
        size_lwh_m: float64 [3], extents.
        shapes: Meshes of one cycle of the gait.
        stride_m: Way covered in one cycle.
    """

    label: str
    size_lwh_m: FloatArray
    shapes: tuple[Mesh, ...]
    stride_m: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Models by what they are used for."""

    cars: tuple[Model, ...]
    trucks: tuple[Model, ...]
    cyclists: tuple[Model, ...]
    walkers: tuple[Model, ...]
    standers: tuple[Model, ...]


def make_stock(rng: np.random.Generator) -> Stock:
    """Models with random extents around those usual in European streets."""
    cars, trucks, cyclists, walkers, standers = [], [], [], [], []
    for bgr in _PAINTS:
        size = rng.uniform((3.7, 1.65, 1.42), (4.8, 1.88, 1.62))
        shapes = actors.car(size, Material(bgr=bgr, reflectance=rng.uniform(0.2, 0.7)))
        cars.append(Model(label="car", size_lwh_m=size, shapes=shapes))
    for bgr in _PAINTS[:2]:
        size = rng.uniform((6.5, 2.15, 2.7), (8.5, 2.3, 3.3))
        shapes = actors.truck(size, Material(bgr=bgr, reflectance=0.5))
        trucks.append(Model(label="truck", size_lwh_m=size, shapes=shapes))
    for bgr in _CLOTHES:
        clothes = Material(bgr=bgr, reflectance=rng.uniform(0.2, 0.6))
        size = rng.uniform((0.75, 0.55, 1.58), (0.9, 0.66, 1.9))
        shapes = actors.pedestrian(size, clothes, walking=True)
        walkers.append(Model(label="pedestrian", size_lwh_m=size, shapes=shapes, stride_m=1.4))
        size = rng.uniform((0.38, 0.5, 1.58), (0.48, 0.62, 1.9))
        shapes = actors.pedestrian(size, clothes, walking=False)
        standers.append(Model(label="pedestrian", size_lwh_m=size, shapes=shapes))
        size = rng.uniform((1.7, 0.52, 1.65), (1.85, 0.6, 1.85))
        shapes = actors.cyclist(size, clothes)
        cyclists.append(Model(label="cyclist", size_lwh_m=size, shapes=shapes, stride_m=4.5))
    return Stock(
        cars=tuple(cars),
        trucks=tuple(trucks),
        cyclists=tuple(cyclists),
        walkers=tuple(walkers),
        standers=tuple(standers),
    )
