from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from perception_stack.datatypes import PointCloud

Scan = Callable[..., PointCloud]


@pytest.fixture(scope="session")
def scan() -> Scan:
    """A function that casts the rays of a turning LiDAR at a ground plane and upright blocks."""
    return _scan


def _scan(
    *blocks: tuple[Any, ...],
    height_m: float = 1.55,
    slope: tuple[float, float] = (0.0, 0.0),
    ramp: tuple[float, float] | None = None,
    num_beams: int = 64,
    noise_m: float = 0.0,
    ground: bool = True,
) -> PointCloud:
    """Blocks are (x, y, length, width, height, yaw in degrees) and stand on the ground.

    The ground is a plane of the given slope along x and y; a ramp is where along x it begins, and
    its slope, on a ground that is level before it.
    """
    up = np.deg2rad(np.linspace(-24, 3, num_beams))
    around = np.deg2rad(np.arange(-180, 180, 0.2))
    up, around = (grid.ravel() for grid in np.meshgrid(up, around))
    rays = np.stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)], axis=1)
    a, b = slope
    with np.errstate(divide="ignore"):
        range_m = -height_m / (rays[:, 2] - a * rays[:, 0] - b * rays[:, 1])
    range_m[(range_m <= 0) | (not ground)] = np.inf
    if ramp is not None:
        start_m, rise = ramp
        with np.errstate(divide="ignore"):
            up_m = (-height_m - rise * start_m) / (rays[:, 2] - rise * rays[:, 0])
        on_ramp = (up_m > 0) & (up_m * rays[:, 0] >= start_m)
        range_m = np.where(range_m * rays[:, 0] < start_m, range_m, np.inf)
        range_m = np.where(on_ramp, np.minimum(up_m, range_m), range_m)
    for x, y, length, width, height, yaw_deg in blocks:
        c, s = np.cos(np.deg2rad(yaw_deg)), np.sin(np.deg2rad(yaw_deg))
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        bottom = a * x + b * y - height_m
        if ramp is not None:
            bottom += ramp[1] * max(x - ramp[0], 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            origin = turn @ -np.array([x, y, bottom + height / 2])
            half = np.array([length, width, height]) / 2
            sides = np.stack(
                [(-half - origin) / (rays @ turn.T), (half - origin) / (rays @ turn.T)]
            )
        enter, leave = sides.min(axis=0).max(axis=1), sides.max(axis=0).min(axis=1)
        range_m = np.where((enter <= leave) & (enter > 0), np.minimum(range_m, enter), range_m)
    hit = range_m < 80
    noise = np.random.default_rng(0).normal(0, noise_m, np.count_nonzero(hit)) if noise_m else 0
    xyz_m = (rays[hit].T * (range_m[hit] + noise)).T.astype(np.float32)
    return PointCloud(frame_id="lidar", stamp_ns=7, xyz_m=xyz_m)
