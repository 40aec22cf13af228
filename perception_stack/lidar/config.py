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
    shift_m: float = param(
        0.25,
        "Change of the sensor's height above the ground that is reported.",
        unit="m",
        low=0.01,
        high=10.0,
    )
    shift_rad: float = param(
        0.08, "Change of the sensor's tilt that is reported.", unit="rad", low=0.001, high=1.5
    )
    shift_scans: int = param(
        10, "Scans in a row for which such a change must last.", low=1, high=1000
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
    lidars: tuple[str, ...] = param(
        (), "Several LiDARs: names, the leading one first; each sends NAME/points."
    )
    motion_correction: bool = param(
        True, "Undo the sensor's own motion during a scan whose points have times."
    )
    fixed_frame: str = param("odom", "Frame that does not move; the motion is known in it.")
    transform_timeout_s: float = param(
        0.2, "Longest wait for the motion during a scan.", unit="s", low=0.0, high=10.0
    )
    merge_tolerance_s: float = param(
        0.05, "Largest stamp difference of scans of several LiDARs.", unit="s", low=0.0, high=1.0
    )
    merge_timeout_s: float = param(
        0.1, "Longest wait for the scan of another LiDAR.", unit="s", low=0.0, high=10.0
    )
    silence_s: float = param(
        0.5,
        "A LiDAR this far behind another one is neither waited for nor leading.",
        unit="s",
        low=0.01,
        high=60.0,
    )
    reset_s: float = param(
        1.0, "A stamp this far back starts anew.", unit="s", low=0.01, high=3600.0
    )
    robot_frame: str = param("base_link", "Frame of the boxes of the robot itself.")
    robot_box_m: tuple[float, ...] = param(
        (),
        "Boxes of the robot itself, whose points are left out: six numbers each, x, y, z of the "
        "lowest corner and of the highest one.",
        unit="m",
        low=-100.0,
        high=100.0,
    )
    grid_cell_m: float = param(
        0.2, "Side of the cells of the occupancy grid.", unit="m", low=0.02, high=2.0
    )
    grid_range_m: float = param(
        60.0, "How far the occupancy grid reaches.", unit="m", low=1.0, high=300.0
    )
    grid_free_m: float = param(
        0.5,
        "A cell is free where a beam passed lower than this above the ground.",
        unit="m",
        low=0.02,
        high=5.0,
    )

    reference: str = param(
        "", "What is usual for scans of the first LiDAR (YAML, see watch.md); empty: no watch."
    )

    @property
    def cloud_topics(self) -> dict[str, str]:
        """Topic of each LiDAR's clouds, the leading one's first."""
        return {name: f"{name}/points" for name in self.lidars} or {"lidar": "points"}

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
        if len(set(self.lidars)) < len(self.lidars) or "" in self.lidars:
            raise ConfigError(f"lidars must be different names: {self.lidars}")
        corners = self.robot_box_m
        if len(corners) % 6 or not all(
            low < high
            for i in range(0, len(corners), 6)
            for low, high in zip(corners[i : i + 3], corners[i + 3 : i + 6], strict=True)
        ):
            raise ConfigError(
                f"robot_box_m must hold six numbers per box, low ones first: {corners}"
            )
        if self.grid_range_m / self.grid_cell_m > _MOST_COLUMNS / 2:
            side = 2 * self.grid_range_m / self.grid_cell_m
            raise ConfigError(f"a grid of {side:.0f}² cells, at most {_MOST_COLUMNS}² can be kept")
