"""Scans in the frame that a network was trained in, whose ground is level at a known height."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray


class Levelling:
    """Shifts points up or down by where the ground is below them.

    Args:
        ground_z_m: z of the ground where the network wants it; None for one that takes scans as
            they come.
        plane: (a, b, c) of z = a x + b y + c, the ground in the sensor's frame.
    """

    def __init__(self, ground_z_m: float | None, plane: FloatArray) -> None:
        self._plane = np.zeros(3) if ground_z_m is None else plane - [0.0, 0.0, ground_z_m]

    def level(self, xyz_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [N, 3] in the sensor's frame to the model's."""
        levelled = xyz_m.copy()
        levelled[:, 2] -= self.lift_m(xyz_m[:, :2]).astype(np.float32)
        return levelled

    def lift_m(self, xy_m: NDArray[np.floating]) -> FloatArray:
        """How much higher places are in the sensor's frame, float64 [N]."""
        lift_m: FloatArray = xy_m.astype(np.float64) @ self._plane[:2] + self._plane[2]
        return lift_m
