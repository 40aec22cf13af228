"""Parameters of the depth step."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param
from perception_stack.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthDetectorConfig(StepConfig):
    """What depth is believed, what carries, and where one object ends and the next begins.

    Raises:
        ConfigError: the nearest depth is not below the farthest.
    """

    min_depth_m: float = param(0.1, "Nearest depth believed.", unit="m", low=0.0, high=10.0)
    max_depth_m: float = param(10.0, "Farthest depth believed.", unit="m", low=0.1, high=200.0)
    depth_noise: float = param(
        0.002,
        "Depth noise at 1 m; grows with the square of depth.",
        unit="m",
        low=0.0001,
        high=0.1,
    )
    cell_px: int = param(
        2, "Side of the squares of pixels that are taken together.", low=1, high=8
    )
    min_points: int = param(100, "Least depth pixels that make an object.", low=4, high=100000)
    support_share: float = param(
        0.1, "Least share of the image that a table, floor or wall fills.", low=0.01, high=1.0
    )
    support_area_m2: float = param(
        0.1, "Least seen area of a table, floor or wall.", unit="m²", low=0.0, high=100.0
    )
    crease_rad: float = param(
        0.44,
        "An inward edge sharper than this parts two objects.",
        unit="rad",
        low=0.05,
        high=1.5,
    )

    def __post_init__(self) -> None:
        # slots=True makes a new class, which the implicit super() does not know
        StepConfig.__post_init__(self)
        if not self.min_depth_m < self.max_depth_m:
            raise ConfigError(f"min_depth_m {self.min_depth_m} >= max_depth_m {self.max_depth_m}")
