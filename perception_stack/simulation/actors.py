"""Shapes of what moves on a road: cars, trucks, pedestrians, cyclists; x ahead, z up.

Each function gives the meshes of one cycle of the gait (one when rigid) whose union has exactly
the extents asked for, about the centre.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.simulation.builders import ball, box, lathe, prism, tube, turn
from perception_stack.simulation.mesh import Material, Mesh, fitted, merge

GAIT_PHASES = 8

_GLASS = Material(bgr=(70, 60, 50), reflectance=0.03)
_RUBBER = Material(bgr=(35, 35, 35), reflectance=0.06)
_PLASTIC = Material(bgr=(60, 58, 56), reflectance=0.10)
_LAMP = Material(bgr=(50, 50, 210), reflectance=0.95)
_SKIN = Material(bgr=(150, 175, 215), reflectance=0.45)
_STEEL = Material(bgr=(120, 120, 120), reflectance=0.50)


def car(size_lwh_m: FloatArray, paint: Material) -> tuple[Mesh, ...]:
    """Saloon: body with bonnet and boot, tapered cabin of glass, roof, wheels, bumpers, lamps."""
    length, width, height = size_lwh_m
    sill, waist = 0.16 * height, 0.58 * height
    # side view: (x in lengths, z in metres)
    side = [(-0.49, waist), (-0.49, sill), (0.49, sill), (0.49, 0.8 * waist), (0.22, waist)]
    body = prism(
        [(x * length, z) for x, z in side], np.array([-0.485, 0.485]) * width, paint
    ).moved(rotation=turn(0, np.pi / 2))
    cabin = box(
        (0.56 * length, 0.9 * width, 0.36 * height),
        _GLASS,
        center_m=(-0.06 * length, 0.0, 0.76 * height),
        top_scale=(0.62, 0.8),
        top_shift_m=-0.03 * length,
    )
    roof = box(
        (0.35 * length, 0.72 * width, 0.06 * height),
        paint,
        center_m=(-0.09 * length, 0.0, 0.97 * height),
    )
    ends = [
        box(
            (0.05 * length, 0.95 * width, 0.12 * height),
            _PLASTIC,
            center_m=(side * 0.475 * length, 0.0, 0.25 * height),
        )
        for side in (-1.0, 1.0)
    ]
    lamps = [
        box(
            (0.02 * length, 0.18 * width, 0.08 * height),
            _LAMP,
            center_m=(-0.485 * length, side * 0.38 * width, 0.48 * height),
        )
        for side in (-1.0, 1.0)
    ]
    wheels = _wheels(size_lwh_m, radius_m=0.22 * height, axles=(-0.29, 0.31))
    return fitted([merge(body, cabin, roof, *ends, *lamps, *wheels)], size_lwh_m)


def truck(size_lwh_m: FloatArray, paint: Material) -> tuple[Mesh, ...]:
    """Lorry: cab with a windscreen, a taller box body behind it, wheels."""
    length, width, height = size_lwh_m
    cab_m = 0.24 * length
    cab = box(
        (cab_m, 0.96 * width, 0.66 * height),
        paint,
        center_m=((length - cab_m) / 2, 0.0, 0.47 * height),
    )
    screen = box(
        (0.01 * length, 0.86 * width, 0.24 * height),
        _GLASS,
        center_m=(0.5 * length, 0.0, 0.64 * height),
    )
    load = box(
        (0.74 * length, width, 0.78 * height),
        Material(bgr=(215, 215, 210), reflectance=0.55),
        center_m=(-0.13 * length, 0.0, 0.61 * height),
    )
    frame = box(
        (0.96 * length, 0.5 * width, 0.1 * height), _PLASTIC, center_m=(0.0, 0.0, 0.18 * height)
    )
    wheels = _wheels(size_lwh_m, radius_m=0.15 * height, axles=(-0.32, 0.36))
    return fitted([merge(cab, screen, load, frame, *wheels)], size_lwh_m)


def pedestrian(size_lwh_m: FloatArray, clothes: Material, *, walking: bool) -> tuple[Mesh, ...]:
    """Person with swinging arms and legs, or standing."""
    trousers = Material(bgr=(95, 70, 55), reflectance=0.30)
    phases = np.arange(GAIT_PHASES) * 2 * np.pi / GAIT_PHASES if walking else np.zeros(1)
    stride_m = 0.36 if walking else 0.02
    meshes = []
    for phase in phases:
        swing_m = stride_m * float(np.sin(phase))
        parts = []
        for side in (1.0, -1.0):
            hip, shoulder, foot_m = 0.10 * side, 0.26 * side, side * swing_m
            leg = [(0.0, hip, 0.9), (0.45 * foot_m, hip, 0.5), (foot_m, hip, 0.06)]
            arm = [(0.0, shoulder, 1.4), (-0.7 * foot_m, shoulder, 0.85)]
            shoe = box((0.26, 0.1, 0.08), _RUBBER, center_m=(foot_m + 0.04, hip, 0.04))
            parts += [tube(leg, 0.075, trousers), tube(arm, 0.05, clothes), shoe]
        torso = box((0.22, 0.34, 0.62), clothes, center_m=(0.0, 0.0, 1.18), top_scale=(1.0, 1.3))
        head = ball((0.1, 0.09, 0.13), _SKIN, center_m=(0.0, 0.0, 1.62), num_sides=10)
        meshes.append(merge(*parts, torso, head))
    return fitted(meshes, size_lwh_m)


def cyclist(size_lwh_m: FloatArray, clothes: Material) -> tuple[Mesh, ...]:
    """Bicycle with two wheels and a frame, and its rider with turning legs."""
    trousers = Material(bgr=(60, 50, 45), reflectance=0.30)
    angle = np.linspace(0, 2 * np.pi, 19)
    rim = np.column_stack([0.33 * np.cos(angle), 0 * angle, 0.34 + 0.33 * np.sin(angle)])
    bicycle = [
        *(tube(rim + np.array([x, 0.0, 0.0]), 0.025, _RUBBER, num_sides=4) for x in (-0.52, 0.55)),
        tube([(-0.52, 0.0, 0.34), (-0.1, 0.0, 0.36), (0.4, 0.0, 0.85)], 0.03, _STEEL),
        tube([(-0.1, 0.0, 0.36), (-0.2, 0.0, 0.9)], 0.03, _STEEL),
        tube([(0.55, 0.0, 0.34), (0.4, 0.0, 1.0)], 0.03, _STEEL),
        tube([(0.42, -0.28, 1.02), (0.42, 0.28, 1.02)], 0.025, _STEEL),
    ]
    rider = [
        tube([(-0.2, 0.0, 0.95), (0.08, 0.0, 1.45)], 0.17, clothes, num_sides=8),
        ball((0.12, 0.1, 0.13), _SKIN, center_m=(0.18, 0.0, 1.62), num_sides=10),
        *(tube([(0.06, y, 1.4), (0.42, y * 1.2, 1.04)], 0.05, clothes) for y in (-0.2, 0.2)),
    ]
    meshes = []
    for phase in np.arange(GAIT_PHASES) * 2 * np.pi / GAIT_PHASES:
        legs = []
        for y, turned in ((0.11, phase), (-0.11, phase + np.pi)):
            foot = (-0.08 + 0.16 * np.cos(turned), y, 0.36 - 0.16 * np.sin(turned))
            knee = (0.16 + 0.05 * np.cos(turned), y, 0.72 - 0.10 * np.sin(turned))
            legs.append(tube([(-0.2, y, 0.95), knee, foot], 0.07, trousers))
        meshes.append(merge(*bicycle, *rider, *legs))
    return fitted(meshes, size_lwh_m)


def _wheels(size_lwh_m: FloatArray, *, radius_m: float, axles: tuple[float, ...]) -> list[Mesh]:
    """Wheels flush with the sides; axle positions in shares of the length."""
    length, width, _ = size_lwh_m
    tyre = lathe([(radius_m, -0.1), (radius_m, 0.1)], _RUBBER, num_sides=16).moved(
        rotation=turn(0, np.pi / 2)
    )
    return [
        tyre.moved(axle * length, side * (width / 2 - 0.1), radius_m)
        for axle in axles
        for side in (-1.0, 1.0)
    ]
