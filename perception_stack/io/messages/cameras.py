"""``sensor_msgs/CameraInfo``."""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.errors import CalibrationError
from perception_stack.geometry.camera import CameraModel
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.headers import Build, header_to_msg


def camera_from_msg(message: Any) -> CameraModel:
    """Intrinsics of the raw image.

    Args:
        message: ``sensor_msgs/CameraInfo``.

    Raises:
        CalibrationError: uncalibrated (``K[0] == 0``), impossible values, or an image that is
            binned or cut out of the sensor's, whose pixels ``K`` does not describe.
    """
    frame_id = message.header.frame_id
    roi = message.roi
    if message.binning_x > 1 or message.binning_y > 1 or roi.x_offset or roi.y_offset:
        text = "binning and regions of interest are not supported; calibrate the image as it comes"
        raise CalibrationError(f"camera '{frame_id}': {text}")
    return CameraModel(
        frame_id=frame_id,
        width_px=int(message.width),
        height_px=int(message.height),
        k=np.array(message.k, dtype=np.float64).reshape(3, 3),
        distortion_model=message.distortion_model,
        distortion=np.array(message.d, dtype=np.float64),
        rectification=np.array(message.r, dtype=np.float64).reshape(3, 3),
        projection=np.array(message.p, dtype=np.float64).reshape(3, 4),
    )


def camera_to_msg(camera: CameraModel, *, stamp_ns: int, build: Build = build_message) -> Any:
    """A ``sensor_msgs/CameraInfo`` with the stamp of an image."""
    return build(
        "sensor_msgs/msg/CameraInfo",
        header=header_to_msg(stamp_ns, camera.frame_id, build=build),
        height=camera.height_px,
        width=camera.width_px,
        distortion_model=camera.distortion_model,
        d=np.ascontiguousarray(camera.distortion),
        k=camera.k.ravel(),
        r=camera.rectification.ravel(),
        p=camera.projection.ravel(),
        binning_x=0,
        binning_y=0,
        roi=build(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )
