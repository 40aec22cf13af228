"""Time of the tracker by number of objects, for benchmarks/tracking.py."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from perception_stack.datatypes import Boxes3D
from perception_stack.geometry.transforms import quat_from_yaw
from perception_stack.journal import Journal
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.tracker import Tracker

GROWTH = (10, 30, 100, 300, 1000)


def growth(config: TrackerConfig, *, frames: int = 30) -> dict[str, dict[str, float]]:
    """Milliseconds per frame by number of objects, which move apart from each other."""
    found = {}
    for num in GROWTH:
        rng = np.random.default_rng(num)
        side = int(np.ceil(np.sqrt(num)))
        start_m = 10.0 * np.stack(np.divmod(np.arange(num), side), axis=1)
        yaw_rad = rng.uniform(-np.pi, np.pi, num)
        speed_mps = 3.0 * np.stack([np.cos(yaw_rad), np.sin(yaw_rad)], axis=1)
        empty = Boxes3D.empty(frame_id=config.fixed_frame, stamp_ns=0)
        tracker = Tracker(config, Journal())
        tracker.warm_up()
        seconds, listed = [], 0
        for frame in range(frames):
            place_m = start_m + 0.1 * frame * speed_mps + rng.normal(0, 0.1, (num, 2))
            boxes = replace(
                empty,
                stamp_ns=(frame + 1) * 100_000_000,
                center_m=np.column_stack([place_m, np.zeros(num)]),
                quat_xyzw=quat_from_yaw(yaw_rad),
                size_lwh_m=np.tile([4.0, 1.8, 1.5], (num, 1)),
                covariance=np.tile(0.01 * np.eye(6), (num, 1, 1)),
                score=np.full(num, 0.9),
                classes=("car",),
                class_probs=np.ones((num, 1)),
                sensors=(("lidar",),) * num,
            )
            start = time.process_time()
            objects = tracker.update(boxes)
            seconds.append(time.process_time() - start)
            listed = 0 if objects is None else len(objects)
        median_ms = 1e3 * float(np.median(seconds[frames // 3 :]))
        found[str(num)] = {
            "ms": round(median_ms, 3),
            "us_per_n_log_n": round(1e3 * median_ms / (num * np.log2(num)), 3),
            "listed": listed,
        }
    return found
