"""Makers of 2-D detections, shared by the tests of the image tracker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from perception_stack.datatypes import Detections2D
from perception_stack.journal import Journal
from perception_stack.tracking.image.config import ImageTrackerConfig
from perception_stack.tracking.image.tracker import ImageTracker


def detections_of(
    *centers: Sequence[float],
    stamp_s: float = 0.0,
    size_px: Sequence[float] | Sequence[Sequence[float]] = (60.0, 40.0),
    score: float | Sequence[float] = 0.95,
    label: str | Sequence[str] = "car",
    frame_id: str = "camera",
) -> Detections2D:
    num = len(centers)
    half = np.broadcast_to(np.asarray(size_px, dtype=np.float64) / 2, (num, 2))
    middle = np.array(centers, dtype=np.float64).reshape(-1, 2)
    return Detections2D(
        frame_id=frame_id,
        stamp_ns=round(stamp_s * 1e9),
        xyxy_px=np.concatenate([middle - half, middle + half], axis=1),
        score=np.broadcast_to(np.asarray(score, dtype=np.float64), (num,)).copy(),
        labels=(label,) * num if isinstance(label, str) else tuple(label),
    )


@pytest.fixture(scope="session")
def make_detections() -> Callable[..., Detections2D]:
    """Boxes around given centres, 60 px by 40 px, cars unless said otherwise."""
    return detections_of


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def tracker(journal: Journal) -> ImageTracker:
    return ImageTracker(ImageTrackerConfig(), journal)


@pytest.fixture(scope="session")
def random_frames() -> Callable[..., list[Detections2D]]:
    """Things that wander across the image, with noise, misses and clutter."""

    def make(seed: int, *, num_frames: int = 12, num_things: int = 5) -> list[Detections2D]:
        rng = np.random.default_rng(seed)
        place = rng.uniform(100, 900, (num_things, 2))
        speed = rng.normal(0, 60, (num_things, 2))
        size = rng.uniform(20, 120, (num_things, 2))
        frames = []
        for frame in range(num_frames):
            seen = rng.random(num_things) < 0.85
            num_clutter = rng.integers(0, 3)
            middle = (place + 0.1 * frame * speed)[seen]
            middle = np.concatenate([middle, rng.uniform(0, 1000, (num_clutter, 2))])
            sizes = np.concatenate([size[seen], rng.uniform(20, 120, (num_clutter, 2))])
            num = len(middle)
            frames.append(
                detections_of(
                    *(middle + rng.normal(0, 1, (num, 2))),
                    stamp_s=0.1 * frame,
                    size_px=sizes * rng.uniform(0.95, 1.05, (num, 2)),
                    score=rng.uniform(0.1, 1.0, num),
                    label=[("car", "pedestrian")[i] for i in rng.integers(0, 2, num)],
                )
            )
        return frames

    return make
