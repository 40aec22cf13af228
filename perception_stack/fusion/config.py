"""Parameters of the fusion step and of the synchroniser in front of it."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import CamerasConfig, param
from perception_stack.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionConfig(CamerasConfig):
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
    cameras: tuple[str, ...] = param(
        (), "Several cameras: names; each has NAME/detections and NAME/camera_info."
    )
    camera_offsets_s: tuple[float, ...] = param(
        (),
        "Added to the stamps of each camera before comparing; none given: nothing.",
        unit="s",
        low=-1.0,
        high=1.0,
    )
    fixed_frame: str = param(
        "odom", "Frame that does not move; what moved between two stamps is known in it."
    )
    transform_timeout_s: float = param(
        0.2, "Longest wait for where the sensors were.", unit="s", low=0.0, high=10.0
    )
    queue_size: int = param(30, "Messages kept of each input.", low=1, high=1000)
    reset_s: float = param(
        1.0, "A stamp this far back starts anew.", unit="s", low=0.01, high=3600.0
    )
    lidar_silence_s: float = param(
        0.5, "Depth images lead after no LiDAR for this long.", unit="s", low=0.0, high=60.0
    )
    min_iou: float = param(
        0.25,
        "Least overlap in the image, of areas and of rays, of an object and a 2-D box.",
        low=0.01,
        high=1.0,
    )
    min_object_points: int = param(
        5, "Least obstacle points that make an object.", low=1, high=10000
    )
    amodal_completion: bool = param(
        True, "Let the camera's class decide how far hidden sides reach."
    )
    camera_recall: float = param(
        0.8, "Share of clearly visible objects that the 2-D detector finds.", low=0.0, high=0.99
    )
    camera_classes: tuple[str, ...] = param(
        ("car", "truck", "pedestrian", "cyclist"), "Classes that the 2-D detector knows."
    )
    camera_aliases: tuple[str, ...] = param(
        ("car:truck", "pedestrian:cyclist"),
        "Pairs label:class; what the 2-D detector may call things of that class as well.",
    )
    alias_share: float = param(
        0.5, "Share of the things of such a class that are called so.", low=0.0, high=1.0
    )
    min_height_px: float = param(
        40.0, "Objects lower than this in the image are missed more.", unit="px", low=1.0
    )

    def __post_init__(self) -> None:
        # slots=True makes a new class, which the implicit super() does not know
        CamerasConfig.__post_init__(self)
        if self.camera_offsets_s and len(self.camera_offsets_s) != len(self.camera_names):
            num = len(self.camera_offsets_s)
            raise ConfigError(f"{num} camera_offsets_s for {len(self.camera_names)} cameras")
        for pair in self.camera_aliases:
            if pair.count(":") != 1:
                raise ConfigError(f"camera_aliases: '{pair}' is not of the form label:class")

    def camera_label(self, name: str) -> str:
        """What a camera is called among the sensors that saw an object."""
        return f"camera/{name}" if self.cameras else name

    @property
    def cameras_with_offset_s(self) -> tuple[tuple[str, float], ...]:
        """Every camera with the offset of its clock."""
        offsets_s = self.camera_offsets_s or (0.0,) * len(self.camera_names)
        return tuple(zip(self.camera_names, offsets_s, strict=True))
