"""Core structures to ROS messages.

The layout of every message stands in ``perception_stack.io.messages``, for recordings and for
nodes alike; here is only how rclpy makes a message, at a cost that large arrays can bear.
"""

from __future__ import annotations

import array
import importlib
from functools import cache, partial
from typing import Any

import numpy as np
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py import point_cloud2

from perception_stack.datatypes import PointCloud
from perception_stack.io import messages
from perception_stack.io.messages.headers import time_to_msg
from perception_stack.io.messages.transforms import pose_to_msg

_TYPE_CODES = {
    "uint8": "B",
    "int8": "b",
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "float": "f",
    "double": "d",
}


@cache
def message_type(name: str) -> Any:
    """The class of a message type such as ``sensor_msgs/msg/Image``.

    Raises:
        ImportError: its package is not installed or has no such message.
    """
    package, _, short = name.partition("/msg/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), short)
    except AttributeError as error:
        raise ImportError(f"no message {name}") from error


def build(name: str, /, **fields: Any) -> Any:
    """A message of rclpy with every field given.

    The constructor is passed over: it makes a default for every field before it takes the given
    one, which triples the time of a long list. Number arrays of any length go in as
    ``array.array``: an ndarray would be checked element by element, 190 ms for a cloud.

    Args:
        name: Full type name.
        **fields: Values of all fields; number arrays as ndarray, message arrays as lists.
    """
    kind, codes = _layout(name)
    message = kind.__new__(kind)
    for field, value in _UNCHECKED.items() if hasattr(kind, "_check_fields") else ():
        setattr(message, field, value)
    for field, value in fields.items():
        code = codes.get(field)
        setattr(message, field, value if code is None else _filled(code, value))
    return message


_UNCHECKED = {"_check_fields": False}


@cache
def _layout(name: str) -> tuple[Any, dict[str, str]]:
    """Class of a message type, and the type codes of its number arrays of any length."""
    kind = message_type(name)
    elements = {
        field: text.removeprefix("sequence<").rstrip(">")
        for field, text in kind.get_fields_and_field_types().items()
        if text.startswith("sequence<")
    }
    codes = {field: _TYPE_CODES[one] for field, one in elements.items() if one in _TYPE_CODES}
    return kind, codes


def _filled(code: str, values: Any) -> Any:
    filled = array.array(code)
    filled.frombytes(np.ascontiguousarray(values).view(np.uint8).data)
    return filled


time_msg = partial(time_to_msg, build=build)
header_msg = partial(messages.header_to_msg, build=build)
pose_msg = partial(pose_to_msg, build=build)
transforms_msg = partial(messages.transforms_to_msg, build=build)
image_msg = partial(messages.image_to_msg, build=build)
camera_info_msg = partial(messages.camera_to_msg, build=build)
compressed_msg = partial(messages.compressed_to_msg, build=build)
mask_msg = partial(messages.mask_to_msg, build=build)
label_info_msg = partial(messages.label_info_to_msg, build=build)
keypoints_msg = partial(messages.keypoints_to_msg, build=build)
detections2d_msg = partial(messages.detections2d_to_msg, build=build)
tracked2d_msg = partial(messages.tracked2d_to_msg, build=build)
boxes3d_msg = partial(messages.boxes3d_to_msg, build=build)
identified_boxes_msg = partial(messages.truth_to_msg, build=build)
grasps_msg = partial(messages.grasps_to_msg, build=build)
occupancy_msg = partial(messages.occupancy_to_msg, build=build)
obstacle_points_msg = partial(messages.obstacle_points_to_msg, build=build)


def cloud_msg(cloud: PointCloud) -> PointCloud2:
    """Positions of a cloud, unorganised, float32."""
    header = header_msg(cloud.stamp_ns, cloud.frame_id)
    return point_cloud2.create_cloud_xyz32(header, np.ascontiguousarray(cloud.xyz_m))
