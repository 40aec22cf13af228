"""Makers of detections, shared by the tests of the tracker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D
from perception_stack.geometry.transforms import quat_from_yaw

CLASSES = ("car", "pedestrian")


def boxes_of(
    *centers: Sequence[float],
    stamp_s: float = 0.0,
    yaw_rad: float | Sequence[float] = 0.0,
    size_m: Sequence[float] = (4.0, 1.8, 1.5),
    score: float | Sequence[float] = 0.9,
    label: str | Sequence[str] = "car",
    sigma_m: float = 0.1,
    sigma_yaw_rad: float = 0.1,
    sensors: tuple[str, ...] = ("lidar",),
    frame_id: str = "odom",
) -> Boxes3D:
    num = len(centers)
    labels = [label] * num if isinstance(label, str) else label
    yaw = np.broadcast_to(np.asarray(yaw_rad, dtype=np.float64), (num,))
    variance = [sigma_m**2] * 3 + [0.05**2] * 2 + [sigma_yaw_rad**2]
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=round(stamp_s * 1e9),
        center_m=np.array(centers, dtype=np.float64).reshape(-1, 3),
        quat_xyzw=quat_from_yaw(yaw),
        size_lwh_m=np.tile(np.array(size_m, dtype=np.float64), (num, 1)),
        covariance=np.tile(np.diag(variance), (num, 1, 1)),
        score=np.broadcast_to(np.asarray(score, dtype=np.float64), (num,)).copy(),
        classes=CLASSES,
        class_probs=np.array([[float(one == name) for name in CLASSES] for one in labels]).reshape(
            -1, len(CLASSES)
        ),
        sensors=(sensors,) * num,
    )


@pytest.fixture(scope="session")
def make_boxes() -> Callable[..., Boxes3D]:
    """Boxes at given centres, in odom, cars ahead unless said otherwise."""
    return boxes_of


@pytest.fixture(scope="session")
def random_frames() -> Callable[..., list[Boxes3D]]:
    """A street of a few wandering things, with noise, misses and clutter."""

    def make(seed: int, *, num_frames: int = 12, num_things: int = 5) -> list[Boxes3D]:
        rng = np.random.default_rng(seed)
        place = rng.uniform(-20, 20, (num_things, 3)) * [1, 1, 0.02]
        velocity = rng.normal(0, 3, (num_things, 3)) * [1, 1, 0]
        size = rng.uniform(0.6, 4.0, (num_things, 3))
        yaw = rng.uniform(-3, 3, num_things)
        frames = []
        for frame in range(num_frames):
            seen = rng.random(num_things) < 0.85
            num_clutter = rng.integers(0, 3)
            centers = np.concatenate(
                [
                    (place + velocity * frame * 0.1)[seen],
                    rng.uniform(-20, 20, (num_clutter, 3)) * [1, 1, 0.02],
                ]
            )
            num = len(centers)
            sizes = np.concatenate([size[seen], rng.uniform(0.5, 3.0, (num_clutter, 3))])
            yaws = np.concatenate([yaw[seen], rng.uniform(-3, 3, num_clutter)])
            one = boxes_of(
                *(centers + rng.normal(0, 0.05, (num, 3))),
                stamp_s=frame * 0.1,
                yaw_rad=yaws + rng.normal(0, 0.05, num),
                score=rng.uniform(0.1, 0.95, num),
                label=[CLASSES[i] for i in rng.integers(0, 2, num)],
                sigma_yaw_rad=0.1 if seed % 2 else 2.0,
            )
            frames.append(_with(one, size_lwh_m=sizes * rng.uniform(0.95, 1.05, (num, 3))))
        return frames

    return make


def _with(boxes: Boxes3D, **values: Any) -> Boxes3D:
    from dataclasses import replace

    return replace(boxes, **values)
