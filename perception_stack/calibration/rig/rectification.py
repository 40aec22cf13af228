"""The rectified images of a stereo pair: ``R`` and ``P`` of both cameras (REP 104)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform


def rectified(
    first: CameraModel, second: CameraModel, first_from_second: RigidTransform
) -> tuple[CameraModel, ...]:
    """Both cameras with the rectification under which rows of their images correspond.

    Cameras of different kind or size keep the rectification that they have.
    """
    import cv2

    size = (first.width_px, first.height_px)
    if first.distortion_model != second.distortion_model or size != (
        second.width_px,
        second.height_px,
    ):
        return first, second
    rotation = first_from_second.rotation.T
    shift_m = -rotation @ first_from_second.translation_m
    pair = first.k, first.distortion, second.k, second.distortion, size, rotation, shift_m
    found: Sequence[Any]
    if first.distortion_model == "equidistant":
        found = cv2.fisheye.stereoRectify(*pair, flags=cv2.CALIB_ZERO_DISPARITY)
    else:
        found = cv2.stereoRectify(*pair, flags=cv2.CALIB_ZERO_DISPARITY, alpha=0.0)
    turn_1, turn_2, projection_1, projection_2 = (np.asarray(one, np.float64) for one in found[:4])
    return (
        replace(first, rectification=turn_1, projection=projection_1),
        replace(second, rectification=turn_2, projection=projection_2),
    )
