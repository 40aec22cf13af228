"""What a detector could see: a thing hidden or out of view is not missed when not detected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray, check_array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """From where a detector looked at one stamp, how far around, and what for.

    Attributes:
        origin_m: float64 [3], the sensor in the fixed frame.
        ahead: float64 [3], unit, the middle of the field of view in the fixed frame.
        half_angle_rad: Half opening of the cone that is the field of view; pi sees all round.
        range_m: How far it sees.
        classes: What it knows; it cannot miss what it does not know. Empty: everything.
    """

    origin_m: FloatArray
    ahead: FloatArray
    half_angle_rad: float = np.pi
    range_m: float = np.inf
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_array("origin_m", self.origin_m, np.float64, 3)
        check_array("ahead", self.ahead, np.float64, 3)

    @property
    def numbers(self) -> FloatArray:
        """What compiled loops take: origin, direction, cosine of the half angle, range: [8]."""
        limits = [np.cos(self.half_angle_rad), self.range_m]
        return np.concatenate([self.origin_m, self.ahead, limits])

    def knows(self, vocabulary: tuple[str, ...]) -> FloatArray:
        """1 for each class that it knows, 0 for the others, float64 [V]."""
        return np.array([float(not self.classes or name in self.classes) for name in vocabulary])


NOWHERE: FloatArray = np.full(8, np.nan)
"""As :attr:`Sight.numbers`, where nobody knows from where a detector looked."""
