"""Whether scans come from a LiDAR like those a network was made for, by beams and height.

Networks fail in silence on other sensors: with a quarter of the beams, or from half the height,
the same car is another pattern of points.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from perception_stack.datatypes import FloatArray, PointCloud
from perception_stack.pillars.spec import Sensor

_REMEMBERED = 20  # scans
_WEDGE_RAD = np.deg2rad(0.5)
_NEAREST_M = 3.0
_TURN_RAD = 2 * np.pi
_LEAST_GAP_RAD = np.deg2rad(0.08)
_BEAMS_QUANTILE = 0.9


class SensorCheck:
    """Compares scans with what a network was made for.

    Args:
        sensor: What that is.
    """

    def __init__(self, sensor: Sensor) -> None:
        self._sensor = sensor
        self._seen: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)

    def misfit(self, cloud: PointCloud, plane: FloatArray) -> str | None:
        """What does not fit, in the median of the last scans; None where all fits.

        Args:
            cloud: In the sensor's own frame, z up.
            plane: (a, b, c) of z = a x + b y + c, the mean plane of the ground.
        """
        self._seen.append((num_beams(cloud), -float(plane[2])))
        beams, height_m = np.median(self._seen, axis=0)
        few, many = self._sensor.beams
        low_m, high_m = self._sensor.height_m
        # an estimate of a few beams too many or too few is no other sensor
        if 0.75 * few <= beams <= 1.33 * many and low_m <= height_m <= high_m:
            return None
        expected = f"{few}" if few == many else f"{few} to {many}"
        return (
            f"this model expects {expected} beams at {low_m:.1f} to {high_m:.1f} m, "
            f"you have {beams:.0f} at {height_m:.1f} m"
        )


def num_beams(cloud: PointCloud) -> int:
    """How many beams a scan was taken with.

    By the sensor's own numbers where it gives them; else the different elevations in narrow
    wedges, of which nearly the most: beams that meet nothing are missing in many of them.
    """
    if cloud.ring is not None:
        return len(np.unique(cloud.ring))
    xyz_m = cloud.xyz_m[np.isfinite(cloud.xyz_m).all(axis=1)].astype(np.float64)
    level_m = np.hypot(xyz_m[:, 0], xyz_m[:, 1])
    far = level_m > _NEAREST_M
    if not far.any():
        return 0
    xyz_m, level_m = xyz_m[far], level_m[far]
    wedge = np.floor(np.arctan2(xyz_m[:, 1], xyz_m[:, 0]) / _WEDGE_RAD).astype(np.int64)
    elevation_rad = np.arctan2(xyz_m[:, 2], level_m)
    # one number to sort by: elevations of a wedge lie together, far from those of the next
    sorted_rad = np.sort(wedge * _TURN_RAD + elevation_rad)
    wedge = np.floor(sorted_rad / _TURN_RAD + 0.5).astype(np.int64)
    new_wedge = np.diff(wedge, prepend=wedge[0] - 1) != 0
    new_beam = new_wedge | (np.diff(sorted_rad, prepend=-np.inf) > _LEAST_GAP_RAD)
    beams = np.add.reduceat(new_beam.astype(np.int64), np.flatnonzero(new_wedge))
    return int(np.quantile(beams, _BEAMS_QUANTILE))
