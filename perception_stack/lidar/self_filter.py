"""Leaves out the points that lie on the robot itself: its bonnet, mast, arm or load.

Before the motion is undone: the robot's own points stand still for the sensor, and would be moved
as if they stood still in the world.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray, PointCloud, check_shape
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import RigidTransform


def outside_robot(
    cloud: PointCloud, box_m: FloatArray, *, robot_from_sensor: RigidTransform
) -> PointCloud:
    """The points in none of the boxes; the cloud itself where all are.

    Args:
        cloud: In the sensor's frame.
        box_m: float64 [B, 6], x, y, z of the lowest corner and of the highest one, along the axes
            of the robot's frame.
        robot_from_sensor: Where the sensor is on the robot.
    """
    check_shape("box_m", box_m, None, 6)
    farthest_m = np.maximum(
        np.abs(box_m[:, :3] - robot_from_sensor.translation_m),
        np.abs(box_m[:, 3:] - robot_from_sensor.translation_m),
    )
    outside, num_inside = _outside(
        np.require(cloud.xyz_m, requirements=["C", "W"]),
        robot_from_sensor.matrix,
        box_m,
        float(np.square(farthest_m).sum(axis=1).max(initial=0.0)),
    )
    return cloud.rows(outside) if num_inside else cloud


@compiled
def _outside(xyz_m: Any, matrix: Any, box_m: Any, reach_square: float) -> Any:
    """No point farther from the sensor than all corners of the boxes is in one."""
    outside = np.ones(len(xyz_m), dtype=np.bool_)
    num_inside = 0
    m = matrix
    for i in range(len(xyz_m)):
        x, y, z = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        if not x * x + y * y + z * z <= reach_square:
            continue
        u = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
        v = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
        w = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
        for b in range(len(box_m)):
            if (
                box_m[b, 0] <= u <= box_m[b, 3]
                and box_m[b, 1] <= v <= box_m[b, 4]
                and box_m[b, 2] <= w <= box_m[b, 5]
            ):
                outside[i] = False
                num_inside += 1
                break
    return outside, num_inside
