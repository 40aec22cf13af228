"""``calib.json`` of direct_visual_lidar_calibration.

``results.T_lidar_camera`` is x, y, z, qx, qy, qz, qw and takes points of the camera to the LiDAR
(its ``calibrate.cpp`` writes the inverse of the transform that projects points). The format has
no frame names.
"""

from __future__ import annotations

import json
from typing import Any

from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_formats.parsing import as_mapping, get, numbers

_KEY = "T_lidar_camera"


def dump_visual_lidar(lidar_from_camera: RigidTransform) -> str:
    """Text of a file with the result alone."""
    values = [*lidar_from_camera.translation_m.tolist(), *lidar_from_camera.quat_xyzw.tolist()]
    return json.dumps({"results": {_KEY: values}}, indent=2) + "\n"


def load_visual_lidar(text: str, *, lidar: str, camera: str) -> RigidTransform:
    """``lidar_from_camera``, with names for both frames.

    Raises:
        CalibrationError: no JSON, no result, or an impossible one.
    """
    try:
        content: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise CalibrationError(f"not JSON: {error}") from error
    results = as_mapping(get(as_mapping(content, "the file"), "results", "the file"), "results")
    values = numbers(get(results, _KEY, "results"), 7, _KEY)
    return RigidTransform.from_quat(
        target=lidar, source=camera, quat_xyzw=values[3:], translation_m=values[:3]
    )
