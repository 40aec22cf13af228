"""Corners of a board as a camera and a LiDAR measure them, with exact truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoardRecording:
    """What was measured, and what is true.

    Attributes:
        size_m: Both sides.
        camera_m: float64 [N, 4, 3], in any order of the corners.
        lidar_m: float64 [N, 4, 3], in another order.
        wrong: bool [N], boards that the LiDAR got wrong.
        lidar_from_camera: The truth.
    """

    size_m: tuple[float, float]
    camera_m: FloatArray
    lidar_m: FloatArray
    wrong: NDArray[np.bool_]
    lidar_from_camera: RigidTransform


def record_boards(
    rng: np.random.Generator, *, num: int, outliers: float = 0.0, square: bool = False
) -> BoardRecording:
    """Boards 1.5 to 4 m ahead, tilted by some 20°; corners have errors of 3 to 15 mm.

    Args:
        rng: Draws everything.
        num: How many boards.
        outliers: Share of boards that the LiDAR sees elsewhere.
        square: Whether both sides are alike.
    """
    size_m = (0.8, 0.8) if square else (float(rng.uniform(0.5, 0.8)), float(rng.uniform(0.9, 1.2)))
    truth = RigidTransform(
        target="lidar",
        source="camera",
        rotation=_random_rotation(rng, np.pi / 3),
        translation_m=rng.uniform(-0.5, 0.5, size=3),
    )
    center = rng.uniform((-1.0, -0.6, 1.5), (1.0, 0.6, 4.0), size=(num, 3))
    flat = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    corners = flat * (size_m[1] / 2, size_m[0] / 2, 1.0)
    seen = np.stack([corners @ _random_rotation(rng, np.deg2rad(35)).T for _ in range(num)])
    seen = seen + center[:, None]
    camera = seen + rng.uniform(0.0005, 0.003) * rng.normal(size=seen.shape)
    lidar = truth.apply(seen) + rng.uniform(0.003, 0.015) * rng.normal(size=seen.shape)
    wrong = rng.random(num) < outliers
    for i in np.flatnonzero(wrong).tolist():
        middle = lidar[i].mean(axis=0)
        turned = (lidar[i] - middle) @ _random_rotation(rng, 0.5).T
        lidar[i] = turned + middle + 0.3 * rng.normal(size=3)
    for i in range(num):
        camera[i] = np.roll(camera[i], rng.integers(4), axis=0)
        backwards = lidar[i, ::-1] if rng.random() < 0.5 else lidar[i]
        lidar[i] = np.roll(backwards, rng.integers(4), axis=0)
    return BoardRecording(
        size_m=size_m, camera_m=camera, lidar_m=lidar, wrong=wrong, lidar_from_camera=truth
    )


def _random_rotation(rng: np.random.Generator, most_rad: float) -> FloatArray:
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    half = rng.uniform(0, most_rad) / 2
    return matrix_from_quat(np.append(np.sin(half) * axis, np.cos(half)))
