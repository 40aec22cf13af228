"""People close to other things, cast at by 64 and 32 beams: how often they are kept apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector

PERSON = (0.5, 0.45, 1.75)
Block = tuple[float, ...]


def scenes(range_m: float, gap_m: float, bearing_deg: float) -> Iterator[tuple[Block, ...]]:
    """A person, the first block, ``gap_m`` away from each of several things."""
    turn = np.deg2rad(bearing_deg)
    ahead, left = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])

    def place(away_m: float, aside_m: float) -> tuple[float, float]:
        x, y = (range_m + away_m) * ahead + aside_m * left
        return float(x), float(y)

    person = (*place(0, 0), *PERSON, bearing_deg)
    yield person, (*place(0, 0.45 + gap_m), *PERSON, bearing_deg)
    yield person, (*place(0.4, 0.45 + gap_m), *PERSON, bearing_deg)
    yield person, (*place(0.35 + gap_m, 0), 0.2, 8, 2.5, bearing_deg)  # a wall behind
    yield person, (*place(2, 0.325 + gap_m), 8, 0.2, 2.5, bearing_deg)  # a wall beside
    yield person, (*place(1, 1.125 + gap_m), 4.3, 1.8, 1.5, bearing_deg)  # a car
    yield person, (*place(0, 0.325 + gap_m), 0.2, 0.2, 3.5, bearing_deg)  # a pole


def is_apart(cloud, block: Block) -> bool:
    """One cluster has four fifths of the block's points, and they are four fifths of it."""
    segmentation = LidarDetector(LidarDetectorConfig(), Journal()).segment(cloud)
    of_point = segmentation.clusters.of_point
    turn = np.deg2rad(block[5])
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    away_m = np.abs((cloud.xyz_m[:, :2] - block[:2]) @ turned)
    inside = (away_m < np.array(block[2:4]) / 2 + 0.08).all(axis=1) & (cloud.xyz_m[:, 2] > -1.3)
    clustered = of_point[inside & (of_point >= 0)]
    if len(clustered) == 0:
        return False
    shared = np.bincount(clustered)
    most = int(np.argmax(shared))
    whole = np.count_nonzero(of_point == most)
    return bool(shared[most] >= 0.8 * np.count_nonzero(inside) and shared[most] >= 0.8 * whole)


@pytest.mark.parametrize("num_beams", [64, 32])
@pytest.mark.parametrize("range_m", [8.0, 22.0])
def test_person_0_4_m_away_is_kept_apart(scan, num_beams: int, range_m: float) -> None:
    apart = [
        is_apart(scan(*blocks, num_beams=num_beams, noise_m=0.015), blocks[0])
        for bearing_deg in (17, 150)
        for blocks in scenes(range_m, 0.4, bearing_deg)
    ]
    assert np.mean(apart) >= 0.9


@pytest.mark.parametrize("num_beams", [64, 32, 16])
def test_person_somewhere_is_kept_apart(scan, num_beams: int) -> None:
    """From 0.4 m on always, anywhere within the range at which the beams show a whole person."""
    apart = []
    for seed in range(5):
        random = np.random.default_rng(seed)
        range_m = random.uniform(5, 25 if num_beams > 16 else 12)
        gap_m, bearing_deg = random.uniform(0.4, 0.8), random.uniform(-180, 180)
        for blocks in scenes(range_m, gap_m, bearing_deg):
            apart.append(is_apart(scan(*blocks, num_beams=num_beams, noise_m=0.015), blocks[0]))
    assert np.mean(apart) >= 0.95
