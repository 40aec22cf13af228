"""A search in a made-up frame, so that everything is compiled before the first real one."""

from __future__ import annotations

import numpy as np

from perception_stack.pose.models import PoseModel
from perception_stack.pose.region import points_near, region_of
from perception_stack.pose.scene import Scene
from perception_stack.pose.search import Search

_SIZE_PX, _FOCAL_PX = 64, 100.0


def warm_up(model: PoseModel, *, noise_m: float) -> None:
    """Look for an object in front of a wall where there is only a bump."""
    away_m = 2 * model.diameter_m
    across = (np.arange(_SIZE_PX) - _SIZE_PX / 2) / _FOCAL_PX * away_m
    bump_m = np.sqrt(np.maximum((model.diameter_m / 3) ** 2 - across**2 - across[:, None] ** 2, 0))
    scene = Scene.of_map(
        (away_m - bump_m).astype(np.float32),
        np.array([_FOCAL_PX, _FOCAL_PX, _SIZE_PX / 2, _SIZE_PX / 2]),
        frame_id="",
        stamp_ns=0,
        rgb=np.empty((0, 0, 3), dtype=np.uint8),
    )
    middle_m = np.array([0.0, 0.0, away_m])
    points = points_near(scene, middle_m, diameter_m=model.diameter_m, noise_m=noise_m)
    region = region_of(points, diameter_m=model.diameter_m, xyxy_px=None)
    Search(model, scene, region, noise_m=noise_m).run()
