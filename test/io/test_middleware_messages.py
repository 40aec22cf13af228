"""Messages of a running ROS are read as those of a bag are, byte for byte the same on the wire."""

from __future__ import annotations

import array
from collections.abc import Callable
from importlib import import_module
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from perception_stack.datatypes import (
    Boxes3D,
    ColorImage,
    DepthImage,
    Detections2D,
    PointCloud,
    TrackedObjects,
)
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io import interfaces, messages

pytestmark = pytest.mark.ros
serialization = pytest.importorskip("rclpy.serialization")
pytest.importorskip("perception_stack.msg")
pytest.importorskip("vision_msgs.msg")
pytest.importorskip("tf2_msgs.msg")

_RNG = np.random.default_rng(0)
_BOXES = Boxes3D(
    frame_id="odom",
    stamp_ns=1_000_000_002,
    center_m=_RNG.normal(size=(2, 3)),
    quat_xyzw=np.array([[0, 0, 0, 1.0], [0.6, 0, 0, 0.8]]),
    size_lwh_m=_RNG.random((2, 3)),
    covariance=_RNG.normal(size=(2, 6, 6)),
    score=np.array([0.5, 1.0]),
    classes=("car", "van"),
    class_probs=np.array([[0.25, 0.75], [1.0, 0.0]]),
    sensors=(("lidar",), ("camera", "lidar")),
)
_OBJECTS = TrackedObjects(
    boxes=_BOXES,
    ids=(UUID(int=5), UUID(int=2**127)),
    state=np.array([1, 3], dtype=np.uint8),
    velocity_mps=_RNG.normal(size=(2, 3)),
    angular_velocity_radps=_RNG.normal(size=(2, 3)),
    twist_covariance=_RNG.normal(size=(2, 6, 6)),
    acceleration_mps2=np.full((2, 3), np.nan),
    size_covariance=_RNG.normal(size=(2, 3, 3)),
    orientation_known=np.array([True, False]),
    stationary=np.array([False, True]),
    num_detections=np.array([3, 4]),
    last_seen_ns=np.array([5, 6_000_000_007]),
)
_DATA: dict[str, tuple[Callable[..., Any], Callable[[Any], Any], Any]] = {
    "cloud": (
        messages.cloud_to_msg,
        messages.cloud_from_msg,
        PointCloud(
            frame_id="lidar",
            stamp_ns=7,
            xyz_m=_RNG.normal(size=(9, 3)).astype(np.float32),
            intensity=np.arange(9, dtype=np.float32),
            ring=np.arange(9, dtype=np.uint16),
            time_offset_s=np.linspace(-0.1, 0, 9, dtype=np.float32),
        ),
    ),
    "image": (
        messages.image_to_msg,
        messages.image_from_msg,
        ColorImage(
            frame_id="camera", stamp_ns=7, bgr=_RNG.integers(0, 255, (4, 5, 3), dtype=np.uint8)
        ),
    ),
    "depth": (
        messages.depth_to_msg,
        messages.depth_from_msg,
        DepthImage(frame_id="camera", stamp_ns=7, depth_m=np.full((3, 4), 1.5, dtype=np.float32)),
    ),
    "camera": (
        lambda camera, **options: messages.camera_to_msg(camera, stamp_ns=7, **options),
        messages.camera_from_msg,
        CameraModel.pinhole(
            frame_id="camera",
            width_px=64,
            height_px=48,
            k=np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]]),
        ),
    ),
    "boxes": (messages.boxes3d_to_msg, messages.boxes3d_from_msg, _BOXES),
    "objects": (messages.objects_to_msg, messages.objects_from_msg, _OBJECTS),
    "detections": (
        messages.detections2d_to_msg,
        messages.detections2d_from_msg,
        Detections2D(
            frame_id="camera",
            stamp_ns=7,
            xyxy_px=np.array([[1.0, 2, 30, 40]]),
            score=np.array([0.25]),
            labels=("car",),
        ),
    ),
    "transforms": (
        lambda transforms, **options: messages.transforms_to_msg(
            transforms, stamp_ns=7, **options
        ),
        messages.transforms_from_msg,
        [
            RigidTransform(
                target="odom", source="base", rotation=np.eye(3), translation_m=np.arange(3.0)
            )
        ],
    ),
}


def _class_of(name: str) -> Any:
    package, _, short = name.split("/")
    return getattr(import_module(f"{package}.msg"), short)


def _build(name: str, /, **fields: Any) -> Any:
    """A message of the middleware; checking an ndarray of bytes one by one would take long."""
    data = fields.get("data")
    if isinstance(data, np.ndarray):
        fields["data"] = array.array("B", data.tobytes())
    return _class_of(name)(**fields)


def _assert_same(one: Any, other: Any) -> None:
    if isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for each in zip(one, other, strict=True):
            _assert_same(*each)
    elif hasattr(one, "__slots__") and not isinstance(one, (np.ndarray, UUID, np.generic)):
        for name in type(one).__slots__:
            _assert_same(getattr(one, name), getattr(other, name))
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", _DATA)
def test_read_like_those_of_a_bag(kind: str) -> None:
    to_msg, from_msg, data = _DATA[kind]
    recorded = to_msg(data)
    raw, name = interfaces.encode(recorded)
    live = serialization.deserialize_message(bytes(raw), _class_of(name))
    _assert_same(from_msg(live), from_msg(recorded))


@pytest.mark.parametrize("kind", _DATA)
def test_built_with_the_classes_of_the_middleware(kind: str) -> None:
    to_msg, from_msg, data = _DATA[kind]
    live = to_msg(data, build=_build)
    raw = serialization.serialize_message(live)
    name = to_msg(data).__msgtype__
    _assert_same(from_msg(interfaces.decode(raw, name)), from_msg(to_msg(data)))
