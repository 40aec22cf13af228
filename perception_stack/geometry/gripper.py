"""A parallel two-finger gripper as a few boxes in its grasp frame.

The grasp frame lies midway between the finger tips: x ahead along the approach, y along the
closing direction. Nothing of the gripper is ahead of x = 0. The fingers reach back to the palm.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Gripper:
    """Dimensions of a gripper, metres.

    Attributes:
        max_opening_m: Largest distance between the fingers.
        finger_length_m: From the palm to the tips.
        finger_width_m: Along z.
        finger_thickness_m: Along y, away from the object.
        pad_length_m: Part of the fingers' length, from the tip, that may touch the object.
        palm_width_m: Of the palm, along y.
        palm_depth_m: Of the palm, along z.
        palm_length_m: Of the palm and what follows it, along x.

    Raises:
        ConfigError: dimensions that no gripper has.
    """

    max_opening_m: float
    finger_length_m: float
    finger_width_m: float
    finger_thickness_m: float
    pad_length_m: float
    palm_width_m: float
    palm_depth_m: float
    palm_length_m: float

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not (np.isfinite(value) and value > 0):
                raise ConfigError(f"gripper: {one.name} is {value}, must be above 0 m")
        if self.pad_length_m > self.finger_length_m:
            text = f"pads of {self.pad_length_m} m on fingers of {self.finger_length_m} m"
            raise ConfigError(f"gripper: {text}; pad_length_m must not exceed finger_length_m")

    def boxes(self, opening_m: FloatArray, way_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What the gripper fills on its way: left finger, right finger, palm.

        Args:
            opening_m: float64 [G], distance between the fingers.
            way_m: float64 [G], how far it comes along x before it is there.

        Returns:
            Least and greatest corners, float64 [G, 3, 3] each, in the grasp frame.
        """
        num = len(opening_m)
        low, high = np.zeros((num, 3, 3)), np.zeros((num, 3, 3))
        low[:, :2, 0] = -self.finger_length_m - way_m[:, None]
        low[:, :2, 2], high[:, :2, 2] = -self.finger_width_m / 2, self.finger_width_m / 2
        low[:, 0, 1] = opening_m / 2
        high[:, 0, 1] = opening_m / 2 + self.finger_thickness_m
        low[:, 1, 1], high[:, 1, 1] = -high[:, 0, 1], -low[:, 0, 1]
        low[:, 2, 0] = -self.finger_length_m - self.palm_length_m - way_m
        high[:, 2, 0] = -self.finger_length_m
        low[:, 2, 1:] = [-self.palm_width_m / 2, -self.palm_depth_m / 2]
        high[:, 2, 1:] = [self.palm_width_m / 2, self.palm_depth_m / 2]
        return low, high
