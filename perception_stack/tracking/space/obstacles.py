"""The tracked list as points, for planners that know obstacles only as point clouds."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray, PointCloud, TrackedObjects, TrackState
from perception_stack.errors import ConfigError
from perception_stack.geometry.transforms import matrix_from_quat

# the four walls: the two components of the way along the wall, in half extents, and its start
_START = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
_END = np.roll(_START, -1, axis=0)


def obstacle_points(objects: TrackedObjects, *, spacing_m: float) -> PointCloud:
    """Points on the walls of all confirmed and coasting boxes.

    Rows of points start at the bottom and end at the top of a wall; no gap between neighbours is
    wider than the spacing. Floor and roof are left open.

    Args:
        objects: The tracked list.
        spacing_m: Widest gap between neighbouring points, positive.

    Returns:
        Cloud in the fixed frame at the list's stamp, wall by wall in the order of the list.

    Raises:
        ConfigError: the spacing is not positive.
    """
    if not spacing_m > 0:
        raise ConfigError(f"obstacle_points: spacing_m must be positive, got {spacing_m}")
    boxes = objects.boxes.rows(objects.state != TrackState.TENTATIVE)
    half_m = boxes.size_lwh_m / 2
    local = _wall_points(half_m, spacing_m)
    box, xyz = local[:, 0].astype(np.intp), local[:, 1:]
    turned = np.einsum("nij,nj->ni", matrix_from_quat(boxes.quat_xyzw)[box], xyz)
    return PointCloud(
        frame_id=objects.frame_id,
        stamp_ns=objects.stamp_ns,
        xyz_m=(turned + boxes.center_m[box]).astype(np.float32),
    )


def _wall_points(half_m: FloatArray, spacing_m: float) -> FloatArray:
    """Index of the box and position along its axes, float64 [P, 4]."""
    num = len(half_m)
    start = (_START[None] * half_m[:, None, :2]).reshape(-1, 2)
    way = (_END[None] * half_m[:, None, :2]).reshape(-1, 2) - start
    # the end of a wall is the start of the next, so it is left to that
    columns = np.ceil(np.sqrt(np.sum(way**2, axis=1)) / spacing_m).astype(np.intp)
    rises = np.ceil(np.repeat(2 * half_m[:, 2], 4) / spacing_m).astype(np.intp)
    per_wall = columns * (rises + 1)
    wall = np.repeat(np.arange(4 * num), per_wall)
    place = np.arange(len(wall)) - np.repeat(np.cumsum(per_wall) - per_wall, per_wall)
    along = (place % columns[wall]) / columns[wall]
    height = (place // columns[wall]) / rises[wall]
    box = wall // 4
    return np.column_stack(
        [box, start[wall] + along[:, None] * way[wall], (2 * height - 1) * half_m[box, 2]]
    )
