"""Which of the lowest points in each direction are ground: walks from the sensor outwards."""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled

_LONGEST_GAP_M = 4.0  # over which the ground may begin to rise unseen
_LONGEST_SLOPE_M = 10.0  # over which it may go on unseen as it did
_LONGEST_THING_M = 8.0  # a car and the ground that it hides


def follow(
    lowest_m: FloatArray,
    at_m: FloatArray,
    around: tuple[FloatArray, FloatArray],
    *,
    step_m: float,
    max_slope: float,
) -> NDArray[np.bool_]:
    """Which of the lowest points a walk outwards takes for ground: bool [S, R].

    What lies level with the ground around it is ground, and what lies above that with none before
    it, nearer to the sensor, is not. Else the ground goes on at the slope that it has around the
    last place, and may have risen by more the longer nothing was seen, but not
    for long: what comes next may be the upper part of something. It is the foot of something if
    what is seen behind it rises too steeply, or if the ground, as low as before, goes on behind
    it: the bonnet of a car beside the sensor is as flat as a road.

    Args:
        lowest_m: float64 [S, R], height by sector and ring, infinite where there is no point.
        at_m: float64 [S, R], range of that point.
        around: As :meth:`~perception_stack.lidar.ground_patches.Patches.at` has it.
        step_m: Highest step within the ground.
        max_slope: Slope to which the ground may change.
    """
    reach_m = (_LONGEST_GAP_M, _LONGEST_SLOPE_M, _LONGEST_THING_M)
    followed: NDArray[np.bool_] = _walk(lowest_m, at_m, *around, step_m, max_slope, *reach_m)
    return followed


@compiled
def _walk(
    lowest_m: Any,
    at_m: Any,
    expected_m: Any,
    climb: Any,
    step_m: float,
    max_slope: float,
    longest_gap_m: float,
    longest_slope_m: float,
    longest_thing_m: float,
) -> Any:
    num_sectors, num_rings = lowest_m.shape
    followed = np.zeros(lowest_m.shape, dtype=np.bool_)
    for s in range(num_sectors):
        last_m, last_at_m, slope = 0.0, 0.0, 0.0
        for k in range(num_rings):
            here_m, gap_m = lowest_m[s, k], at_m[s, k] - last_at_m
            if here_m == np.inf:
                continue
            if not abs(here_m - expected_m[s, k]) <= step_m:  # so it is for NaN
                # below the lowest beam the ground does not rise where it lies lower all around
                if last_at_m == 0.0 and here_m > expected_m[s, k]:
                    continue
                ahead_m = last_m + slope * min(gap_m, longest_slope_m)
                top_m = max(last_m, ahead_m) + step_m
                low_m = min(last_m, ahead_m) - step_m
                # no ground is above what is seen, however long nothing was seen
                if here_m < low_m - max_slope * gap_m:
                    continue
                if here_m > top_m + max_slope * min(gap_m, longest_gap_m):
                    continue
                behind = k + 1
                while behind < num_rings and lowest_m[s, behind] == np.inf:
                    behind += 1
                if here_m > top_m and behind < num_rings:
                    rise_m = lowest_m[s, behind] - here_m
                    foot = rise_m > step_m + max_slope * (at_m[s, behind] - at_m[s, k])
                    # the next place, however far, and those over which a car may reach
                    farthest_m = max(at_m[s, k] + longest_thing_m, at_m[s, behind])
                    while not foot and behind < num_rings and at_m[s, behind] <= farthest_m:
                        back_m = lowest_m[s, behind]
                        # not what is mirrored below the ground
                        real = back_m >= low_m - max_slope * (at_m[s, behind] - last_at_m)
                        foot = real and back_m < here_m - step_m and back_m <= top_m
                        behind += 1
                    if foot:
                        continue
            followed[s, k] = True
            last_m, last_at_m = here_m, at_m[s, k]
            slope = 0.0
            if not np.isnan(climb[s, k]):
                slope = min(max(climb[s, k], -max_slope), max_slope)
    return followed
