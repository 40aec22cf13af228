"""The line a simulated road follows: an arc of a circle over rolling ground, ramps, bridges, dips.

A place on the road is (along, aside): metres along the centre line and metres to its left. The
carriageway falls to both sides (crown), and a kerb lifts the pavement above it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.simulation.builders import turn
from perception_stack.simulation.motion import Motion, Pose

CARRIAGEWAY_M = 5.5
"""Half the width between the kerbs: a lane and a parking strip."""
PAVEMENT_M = 9.0
"""Distance of the houses from the centre line."""
KERB_HEIGHT_M = 0.12

_CROSSFALL = 0.02
_CROWN_ROUNDING_M = 1.0
_HILL_HEIGHT_M = 0.6
_HILL_LENGTH_M = 180.0
_KINK_ROUNDING_M = 2.0

Relief = Callable[[FloatArray], FloatArray]
"""Height of the ground in metres at places along the centre line, 0 at 0."""


def rolling(along_m: FloatArray) -> FloatArray:
    """Height of gentle hills, the same shape as ``along_m``."""
    height_m: FloatArray = _HILL_HEIGHT_M / 2 * (1 - np.cos(2 * np.pi * along_m / _HILL_LENGTH_M))
    return height_m


def slopes(*kinks: tuple[float, float]) -> Relief:
    """Relief of straight slopes, level before the first.

    Args:
        kinks: Where along the road each slope begins, in metres, rising, and the slope, rise over
            run.
    """
    starts_m = np.array([start_m for start_m, _ in kinks])
    turns = np.diff([0.0, *(slope for _, slope in kinks)])

    def climbed_m(along_m: FloatArray) -> FloatArray:
        beyond_m = np.asarray(along_m)[..., None] - starts_m
        # a hyperbola, as for the crown
        climbed: FloatArray = (beyond_m + np.hypot(beyond_m, _KINK_ROUNDING_M)) / 2 @ turns
        return climbed

    return lambda along_m: climbed_m(along_m) - climbed_m(np.zeros(()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Centre line through the world's origin, where it runs along x.

    Attributes:
        radius_m: Radius of the bend; positive turns left.
        relief: Height of the centre line; level at the origin unless it says otherwise.
        bank: Rise of the ground per metre to the left.
    """

    radius_m: float
    relief: Relief = rolling
    bank: float = 0.0

    def points(self, along_m: FloatArray, aside_m: FloatArray, lift_m: FloatArray) -> FloatArray:
        """Points above the bare crowned ground, float64 [..., 3]; arguments are broadcast."""
        along, aside, lift = np.broadcast_arrays(along_m, aside_m, lift_m)
        angle = along / self.radius_m
        arm = self.radius_m - aside
        hill = self.relief(along) + self.bank * aside
        # a hyperbola: straight fall to both sides, rounded at the centre line
        fall = np.hypot(np.minimum(np.abs(aside), CARRIAGEWAY_M), _CROWN_ROUNDING_M)
        crown = -_CROSSFALL * (fall - _CROWN_ROUNDING_M)
        return np.stack(
            [arm * np.sin(angle), self.radius_m - arm * np.cos(angle), hill + crown + lift],
            axis=-1,
        )

    def places(self, xy_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Along and aside, both float64 [N], of places seen from above, float64 [N, 2]."""
        arm_x, arm_y = xy_m[:, 0], self.radius_m - xy_m[:, 1]
        along_m: FloatArray = self.radius_m * np.arctan2(arm_x, arm_y)
        return along_m, self.radius_m - np.hypot(arm_x, arm_y)

    def ground_m(self, xy_m: FloatArray) -> FloatArray:
        """Height of the ground, pavements included, float64 [N], at float64 [N, 2]."""
        along_m, aside_m = self.places(xy_m)
        lift_m = np.where(np.abs(aside_m) > CARRIAGEWAY_M, KERB_HEIGHT_M, 0.0)
        height_m: FloatArray = self.points(along_m, aside_m, lift_m)[:, 2]
        return height_m

    def pose(self, along_m: float, aside_m: float, lift_m: float) -> Pose:
        """Frame of a vehicle: x along the road, y to the left in the ground, z off the ground.

        Args:
            along_m: Along the centre line.
            aside_m: To the left of it.
            lift_m: Of the origin off the ground, along its normal; the kerb is accounted for.
        """
        step = 1e-4
        base = KERB_HEIGHT_M if abs(aside_m) > CARRIAGEWAY_M else 0.0
        origin, ahead, behind, left, right = self.points(
            along_m + step * np.array([0, 1, -1, 0, 0]),
            aside_m + step * np.array([0, 0, 0, 1, -1]),
            np.array(base),
        )
        x = (ahead - behind) / np.linalg.norm(ahead - behind)
        z = np.cross(x, left - right)
        z /= np.linalg.norm(z)
        rotation = np.column_stack([x, np.cross(z, x), z])
        return rotation, origin + lift_m * z


def travel(
    course: Course,
    place: Callable[[float], tuple[float, float]],
    *,
    lift_m: float,
    heading_rad: float = 0.0,
) -> Motion:
    """Motion of a body over the ground.

    Args:
        course: The road.
        place: (along, aside) in metres at a time in seconds.
        lift_m: Height of the body's origin off the ground.
        heading_rad: Direction of its x axis, counter-clockwise from the road's.
    """
    heading = turn(2, heading_rad)

    def pose(time_s: float) -> Pose:
        rotation, position = course.pose(*place(time_s), lift_m)
        return rotation @ heading, position

    return pose
