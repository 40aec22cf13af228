"""``tf2_msgs/TFMessage``, and the parts of poses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.headers import Build, header_to_msg, stamp_ns


def transforms_from_msg(message: Any) -> list[tuple[RigidTransform, int]]:
    """Each transform with its stamp; ``header.frame_id`` is the target (parent).

    Args:
        message: ``tf2_msgs/TFMessage``.

    Raises:
        CalibrationError: a quaternion that is not of unit length, or values that are not finite.
    """
    return [
        (
            RigidTransform.from_quat(
                target=one.header.frame_id,
                source=one.child_frame_id,
                quat_xyzw=xyzw_of(one.transform.rotation),
                translation_m=xyz_of(one.transform.translation),
            ),
            stamp_ns(one.header),
        )
        for one in message.transforms
    ]


def transforms_to_msg(
    transforms: Sequence[RigidTransform], *, stamp_ns: int, build: Build = build_message
) -> Any:
    """A ``tf2_msgs/TFMessage`` of transforms at one stamp."""
    return build(
        "tf2_msgs/msg/TFMessage",
        transforms=[
            build(
                "geometry_msgs/msg/TransformStamped",
                header=header_to_msg(stamp_ns, one.target, build=build),
                child_frame_id=one.source,
                transform=build(
                    "geometry_msgs/msg/Transform",
                    translation=vector_to_msg(one.translation_m, build=build),
                    rotation=quat_to_msg(one.quat_xyzw, build=build),
                ),
            )
            for one in transforms
        ],
    )


def xyz_of(vector: Any) -> FloatArray:
    """float64 [3] of a ``Vector3`` or ``Point``."""
    return np.array([vector.x, vector.y, vector.z], dtype=np.float64)


def xyzw_of(quaternion: Any) -> FloatArray:
    """float64 [4] of a ``Quaternion``."""
    return np.array([quaternion.x, quaternion.y, quaternion.z, quaternion.w], dtype=np.float64)


def vector_to_msg(xyz: FloatArray, *, build: Build) -> Any:
    """A ``geometry_msgs/Vector3``."""
    x, y, z = xyz.tolist()
    return build("geometry_msgs/msg/Vector3", x=x, y=y, z=z)


def quat_to_msg(xyzw: FloatArray, *, build: Build) -> Any:
    """A ``geometry_msgs/Quaternion``."""
    x, y, z, w = xyzw.tolist()
    return build("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)


def pose_to_msg(xyz: FloatArray, xyzw: FloatArray, *, build: Build) -> Any:
    """A ``geometry_msgs/Pose``."""
    x, y, z = xyz.tolist()
    return build(
        "geometry_msgs/msg/Pose",
        position=build("geometry_msgs/msg/Point", x=x, y=y, z=z),
        orientation=quat_to_msg(xyzw, build=build),
    )


def origin_to_msg(*, build: Build) -> Any:
    """The ``geometry_msgs/Pose`` of a frame in itself."""
    return pose_to_msg(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), build=build)
