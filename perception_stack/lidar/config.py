"""Parameters of the LiDAR detector."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param
from perception_stack.errors import ConfigError

_MOST_COLUMNS = 4000  # along each side; 64 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class LidarDetectorConfig(StepConfig):
    """What is cut off, what counts as ground, and what belongs together.

    Raises:
        ConfigError: the nearest range is not below the farthest, the lowest height not below the
            highest, or the columns too many or wider than the gaps between them.
    """

    min_range_m: float = param(
        1.5, "Points nearer than this belong to the robot.", unit="m", low=0.0, high=50.0
    )
    max_range_m: float = param(
        80.0, "Points farther than this are not used.", unit="m", low=1.0, high=300.0
    )
    min_z_m: float = param(
        -8.0, "Lowest point used, in the sensor's frame.", unit="m", low=-100.0, high=100.0
    )
    max_z_m: float = param(
        8.0, "Highest point used, in the sensor's frame.", unit="m", low=-100.0, high=100.0
    )
    voxel_m: float = param(
        0.2,
        "Side of the upright columns that points are thinned into.",
        unit="m",
        low=0.02,
        high=2.0,
    )
    max_slope: float = param(
        0.2,
        "Steepest change of the ground, rise over run, beyond its mean plane.",
        low=0.0,
        high=1.0,
    )
    ground_step_m: float = param(
        0.1, "Highest step that is still ground, such as a kerb.", unit="m", low=0.0, high=1.0
    )
    ground_clearance_m: float = param(
        0.2, "Points lower than this above the ground are ground.", unit="m", low=0.02, high=1.0
    )
    max_height_m: float = param(
        4.0,
        "Points higher than this above the ground are not used.",
        unit="m",
        low=0.5,
        high=20.0,
    )
    overhang_m: float = param(
        2.0,
        "What begins higher than this above the ground hangs over the road.",
        unit="m",
        low=0.1,
        high=20.0,
    )
    tolerance_m: float = param(
        0.35, "Widest gap within an object close by.", unit="m", low=0.05, high=5.0
    )
    tolerance_per_m: float = param(
        0.008, "Growth of that gap per metre of range.", low=0.0, high=0.1
    )
    max_tolerance_m: float = param(
        0.8, "Widest gap within an object at any range.", unit="m", low=0.05, high=5.0
    )
    min_points: int = param(5, "Least points of an object.", low=1, high=10000)
    max_size_m: float = param(
        16.0, "Longest object sought; longer ones are buildings.", unit="m", low=0.1, high=100.0
    )

    def __post_init__(self) -> None:
        # slots=True makes a new class, which the implicit super() does not know
        StepConfig.__post_init__(self)
        if not self.min_range_m < self.max_range_m:
            raise ConfigError(f"min_range_m {self.min_range_m} >= max_range_m {self.max_range_m}")
        if not self.min_z_m < self.max_z_m:
            raise ConfigError(f"min_z_m {self.min_z_m} >= max_z_m {self.max_z_m}")
        if not self.voxel_m <= self.tolerance_m <= self.max_tolerance_m:
            values = (self.voxel_m, self.tolerance_m, self.max_tolerance_m)
            raise ConfigError(f"voxel_m <= tolerance_m <= max_tolerance_m does not hold: {values}")
        if self.max_range_m / self.voxel_m > _MOST_COLUMNS / 2:
            side = 2 * self.max_range_m / self.voxel_m
            raise ConfigError(
                f"a grid of {side:.0f}² columns, at most {_MOST_COLUMNS}² can be kept"
            )
