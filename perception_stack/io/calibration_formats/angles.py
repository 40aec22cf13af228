"""Roll, pitch and yaw as URDF and Autoware mean them: R = Rz(yaw) Ry(pitch) Rx(roll)."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray


def rotation_of(roll_rad: float, pitch_rad: float, yaw_rad: float) -> FloatArray:
    """Rotation matrix float64 [3, 3]."""
    (cr, cp, cy), (sr, sp, sy) = (
        function(np.array([roll_rad, pitch_rad, yaw_rad])) for function in (np.cos, np.sin)
    )
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def angles_of(rotation: FloatArray) -> tuple[float, float, float]:
    """Roll, pitch in [-pi/2, pi/2], yaw; looking straight up or down the roll is 0."""
    level = float(np.hypot(rotation[0, 0], rotation[1, 0]))
    pitch = float(np.arctan2(-rotation[2, 0], level))
    if level < 1e-9:
        return 0.0, pitch, float(np.arctan2(-rotation[0, 1], rotation[1, 1]))
    roll = float(np.arctan2(rotation[2, 1], rotation[2, 2]))
    return roll, pitch, float(np.arctan2(rotation[1, 0], rotation[0, 0]))
