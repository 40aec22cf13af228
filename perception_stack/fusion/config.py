"""Parameters of the fusion step and of the synchroniser in front of it."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionConfig(StepConfig):
    """How sensors are brought together, and how much each is believed.

    The three probabilities are the stated sensor model of the 2-D detector; see
    :mod:`perception_stack.fusion.belief`.
    """

    tolerance_s: float = param(
        0.04, "Largest stamp difference within a pair.", unit="s", low=0.0, high=1.0
    )
    timeout_s: float = param(
        0.3, "Longest wait for a partner before going on without it.", unit="s", low=0.0, high=10.0
    )
    camera_offset_s: float = param(
        0.0, "Added to camera stamps before comparing.", unit="s", low=-1.0, high=1.0
    )
    queue_size: int = param(30, "Messages kept of each input.", low=1, high=1000)
    reset_s: float = param(
        1.0, "A stamp this far back starts anew.", unit="s", low=0.01, high=3600.0
    )
    lidar_silence_s: float = param(
        0.5, "Depth images lead after no LiDAR for this long.", unit="s", low=0.0, high=60.0
    )
    min_iou: float = param(
        0.25, "Least overlap in the image of a 3-D box and a 2-D box.", low=0.01, high=1.0
    )
    camera_recall: float = param(
        0.8, "Share of clearly visible objects that the 2-D detector finds.", low=0.0, high=0.99
    )
    camera_classes: tuple[str, ...] = param(
        ("car", "truck", "pedestrian", "cyclist"), "Classes that the 2-D detector knows."
    )
    min_height_px: float = param(
        40.0, "Objects lower than this in the image are missed more.", unit="px", low=1.0
    )
    min_depth_m: float = param(0.1, "Nearest depth believed.", unit="m", low=0.0, high=10.0)
    max_depth_m: float = param(20.0, "Farthest depth believed.", unit="m", low=0.1, high=200.0)
    min_points: int = param(30, "Least depth pixels that make an object.", low=4, high=100000)
    depth_noise: float = param(
        0.002, "Depth noise at 1 m; grows with the square of depth.", unit="m", low=0.0, high=0.1
    )
