from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D, TrackedObjects


@pytest.fixture(scope="session")
def tracked() -> Callable[[Boxes3D, int], TrackedObjects]:
    """A tracked list of boxes; all that it says of them besides is drawn at random by a seed."""

    def make(boxes: Boxes3D, seed: int) -> TrackedObjects:
        rng, num = np.random.default_rng(seed), len(boxes)
        return TrackedObjects(
            boxes=boxes,
            ids=tuple(UUID(bytes=rng.bytes(16)) for _ in range(num)),
            state=rng.integers(1, 4, num).astype(np.uint8),
            velocity_mps=rng.normal(size=(num, 3)),
            angular_velocity_radps=rng.normal(size=(num, 3)),
            twist_covariance=rng.normal(size=(num, 6, 6)),
            acceleration_mps2=np.full((num, 3), np.nan),
            size_covariance=rng.normal(size=(num, 3, 3)),
            orientation_known=rng.random(num) > 0.5,
            stationary=rng.random(num) > 0.5,
            num_detections=rng.integers(1, 1000, num),
            last_seen_ns=rng.integers(0, 2**60, num),
        )

    return make
