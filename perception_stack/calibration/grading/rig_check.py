"""Whether the parts of a rig fit together: each frame once, one tree, cameras attached to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from perception_stack.errors import CalibrationError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform

_FARTHEST_M = 50.0


def check_rig(cameras: Sequence[CameraModel], extrinsics: Sequence[RigidTransform]) -> None:
    """Refuse a rig that TF or projection would silently get wrong.

    Args:
        cameras: Intrinsics, each in its optical frame.
        extrinsics: Parent from child.

    Raises:
        CalibrationError: two cameras of one frame, a frame with two parents, a loop, frames that
            hang apart, a camera that no transform names while others are given, or a sensor
            farther from its parent than any rig is large.
    """
    _check_once("camera frame", [one.frame_id for one in cameras])
    _check_once("frame with a parent", [one.source for one in extrinsics])
    parents = {one.source: one.target for one in extrinsics}
    roots = {_root(child, parents) for child in parents}
    if len(roots) > 1:
        raise CalibrationError(f"the rig falls apart into the trees of {', '.join(sorted(roots))}")
    for one in extrinsics:
        distance_m = float(np.linalg.norm(one.translation_m))
        if distance_m > _FARTHEST_M:
            text = (
                f"{one.target} <- {one.source} is {distance_m:.0f} m long; is it in millimetres?"
            )
            raise CalibrationError(text)
    named = set(parents) | roots
    for camera in cameras:
        if extrinsics and camera.frame_id not in named:
            frames = ", ".join(sorted(named))
            text = f"camera '{camera.frame_id}' is not in the tree of the rig; frames: {frames}"
            raise CalibrationError(text)


def _check_once(what: str, names: Sequence[str]) -> None:
    for name, num in Counter(names).items():
        if num > 1:
            raise CalibrationError(f"{what} '{name}' is given {num} times")


def _root(frame: str, parents: dict[str, str]) -> str:
    seen = [frame]
    while (parent := parents.get(seen[-1])) is not None:
        if parent in seen:
            raise CalibrationError(f"the frames {' <- '.join([*seen, parent])} form a loop")
        seen.append(parent)
    return seen[-1]
