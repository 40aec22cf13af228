"""Parameters of the grasp planner."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param
from perception_stack.errors import ConfigError
from perception_stack.geometry.gripper import Gripper


@dataclass(frozen=True, slots=True, kw_only=True)
class GraspPlannerConfig(StepConfig):
    """The gripper, from where it may come, and what makes a grasp a good one.

    Raises:
        ConfigError: pads longer than the fingers, an opening too small for the clearance, or a
            grasp frame that is none.
    """

    max_opening_m: float = param(
        0.085, "Largest distance between the fingers.", unit="m", low=0.001, high=0.5
    )
    finger_length_m: float = param(
        0.05, "Fingers, from the palm to the tips.", unit="m", low=0.001, high=0.5
    )
    finger_width_m: float = param(
        0.022, "Fingers, across closing and approach.", unit="m", low=0.001, high=0.2
    )
    finger_thickness_m: float = param(
        0.012, "Fingers, along the closing direction.", unit="m", low=0.001, high=0.2
    )
    pad_length_m: float = param(
        0.03, "Part of the fingers that may touch, from the tips.", unit="m", low=0.001, high=0.5
    )
    palm_width_m: float = param(
        0.15, "Palm, along the closing direction.", unit="m", low=0.001, high=0.5
    )
    palm_depth_m: float = param(
        0.075, "Palm, across closing and approach.", unit="m", low=0.001, high=0.5
    )
    palm_length_m: float = param(
        0.1, "Palm and what follows it, along the approach.", unit="m", low=0.001, high=1.0
    )
    clearance_m: float = param(
        0.004,
        "Least distance of the open gripper from everything, and of a finger from the object.",
        unit="m",
        low=0.0,
        high=0.1,
    )
    support_clearance_m: float = param(
        0.003, "Least height of the gripper above the support.", unit="m", low=0.0, high=0.1
    )
    approach_distance_m: float = param(
        0.08, "Free way along the approach before a grasp.", unit="m", low=0.0, high=0.5
    )
    max_tilt_rad: float = param(
        1.4, "Largest angle of the approach from straight down.", unit="rad", low=0.0, high=3.15
    )
    max_aside_rad: float = param(
        1.6,
        "Largest angle of the approach, seen from above, from the way the sensor looks.",
        unit="rad",
        low=0.0,
        high=3.15,
    )
    friction: float = param(0.5, "Friction between pads and objects.", low=0.05, high=2.0)
    friction_sigma: float = param(0.1, "Standard deviation of it.", low=0.001, high=1.0)
    grip_force_n: float = param(40.0, "Force of each finger.", unit="N", low=0.1, high=1000.0)
    density_kgpm3: float = param(
        600.0, "Usual mass of objects by their volume.", unit="kg/m³", low=1.0, high=20000.0
    )
    max_object_m: float = param(
        0.6, "Larger things are in the way, no objects.", unit="m", low=0.01, high=10.0
    )
    touch_m: float = param(
        0.01, "Objects that are nearer than this touch.", unit="m", low=0.0, high=0.1
    )
    grasp_carriers: bool = param(False, "Whether to grasp objects on which others stand.")
    on_request: bool = param(False, "Whether to plan only when the service plan_grasps is called.")
    collision_ttl_s: float = param(
        3.0, "How long MoveIt keeps an object that is not seen.", unit="s", low=0.0, high=3600.0
    )
    max_grasps: int = param(5, "Most grasps of one object.", low=1, high=100)
    min_score: float = param(0.5, "Least score of a grasp.", low=0.0, high=1.0)
    num_seeds: int = param(
        120, "Points of a surface from which opposite ones are sought.", low=8, high=2000
    )
    gripper_from_grasp: tuple[float, ...] = param(
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
        "Grasp frame in the gripper's frame of the grasp files: x, y, z, quaternion x, y, z, w.",
    )

    def __post_init__(self) -> None:
        # slots=True makes a new class, which the implicit super() does not know
        StepConfig.__post_init__(self)
        gripper = self.gripper
        if 2 * self.clearance_m >= gripper.max_opening_m:
            text = f"max_opening_m {gripper.max_opening_m} leaves no room for clearance_m"
            raise ConfigError(f"gripper: {text} {self.clearance_m} on both sides")
        if self.palm_width_m < self.finger_thickness_m:
            raise ConfigError("gripper: palm_width_m is less than finger_thickness_m")
        if len(self.gripper_from_grasp) != 7:
            num = len(self.gripper_from_grasp)
            raise ConfigError(f"gripper_from_grasp has {num} numbers, must have 7")

    @property
    def gripper(self) -> Gripper:
        """The gripper's dimensions.

        Raises:
            ConfigError: dimensions that no gripper has.
        """
        return Gripper(
            max_opening_m=self.max_opening_m,
            finger_length_m=self.finger_length_m,
            finger_width_m=self.finger_width_m,
            finger_thickness_m=self.finger_thickness_m,
            pad_length_m=self.pad_length_m,
            palm_width_m=self.palm_width_m,
            palm_depth_m=self.palm_depth_m,
            palm_length_m=self.palm_length_m,
        )
