"""Core structures to messages and back, through the decoder that nodes and recordings share."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")

from perception_stack.msg import TrackedObject, TrackedObjectArray
from rclpy.serialization import deserialize_message
from vision_msgs.msg import Detection3DArray

from perception_stack.datatypes import (
    Boxes3D,
    Detections2D,
    PointCloud,
    TrackedObjects,
    TrackState,
)
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform, quat_from_yaw
from perception_stack.io import messages
from perception_stack.ros import conversions

pytestmark = pytest.mark.ros

_float = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def boxes3d(draw: st.DrawFn) -> Boxes3D:
    num = draw(st.integers(0, 4))
    probs = draw(arrays(np.float64, (num, 3), elements=st.floats(0.01, 1)))
    quats = draw(arrays(np.float64, (num, 4), elements=st.floats(0.1, 1)))
    return Boxes3D(
        frame_id="odom",
        stamp_ns=draw(st.integers(0, 2**31 * 10**9 - 1)),
        center_m=draw(arrays(np.float64, (num, 3), elements=_float)),
        quat_xyzw=quats / np.linalg.norm(quats, axis=1, keepdims=True),
        size_lwh_m=draw(arrays(np.float64, (num, 3), elements=st.floats(0.01, 100))),
        covariance=draw(arrays(np.float64, (num, 6, 6), elements=_float)),
        score=draw(arrays(np.float64, num, elements=st.floats(0.01, 1))),
        classes=("car", "pedestrian", "unknown"),
        class_probs=probs / probs.sum(axis=1, keepdims=True),
        sensors=tuple(
            draw(st.sampled_from([("lidar",), ("camera", "lidar")])) for _ in range(num)
        ),
    )


@given(boxes3d())
def test_boxes_survive(boxes: Boxes3D) -> None:
    made = conversions.boxes3d_msg(boxes)
    assert deserialize_message(messages.boxes3d_to_bytes(boxes), Detection3DArray) == made
    back = messages.boxes3d_from_msg(made)
    assert (back.frame_id, back.stamp_ns, back.sensors) == (
        boxes.frame_id,
        boxes.stamp_ns,
        boxes.sensors,
    )
    for name in ("center_m", "quat_xyzw", "size_lwh_m", "covariance"):
        np.testing.assert_array_equal(getattr(back, name), getattr(boxes, name))
    np.testing.assert_allclose(back.score, boxes.score, rtol=1e-12)
    if len(boxes):
        order = [back.classes.index(name) for name in boxes.classes]
        np.testing.assert_allclose(back.class_probs[:, order], boxes.class_probs, rtol=1e-12)


def test_scores_of_one_box_add_up_to_its_existence() -> None:
    boxes = Boxes3D(
        frame_id="odom",
        stamp_ns=1,
        center_m=np.zeros((1, 3)),
        quat_xyzw=np.array([[0, 0, 0, 1.0]]),
        size_lwh_m=np.ones((1, 3)),
        covariance=np.eye(6)[None],
        score=np.array([0.5]),
        classes=("car", "truck"),
        class_probs=np.array([[0.75, 0.25]]),
        sensors=(("camera", "lidar"),),
    )
    one = conversions.boxes3d_msg(boxes).detections[0]
    scores = {result.hypothesis.class_id: result.hypothesis.score for result in one.results}
    assert scores == {"car": 0.375, "truck": 0.125}
    assert one.id == "camera+lidar"


@given(st.integers(0, 5))
def test_image_boxes_survive(num: int) -> None:
    rng = np.random.default_rng(num)
    left_top = rng.uniform(0, 500, (num, 2))
    detections = Detections2D(
        frame_id="camera",
        stamp_ns=12_345_678_901,
        xyxy_px=np.hstack([left_top, left_top + rng.uniform(1, 100, (num, 2))]),
        score=rng.uniform(0, 1, num),
        labels=tuple(["car", "person"][i % 2] for i in range(num)),
    )
    back = messages.detections2d_from_msg(conversions.detections2d_msg(detections))
    assert (back.frame_id, back.stamp_ns, back.labels) == (
        "camera",
        12_345_678_901,
        detections.labels,
    )
    np.testing.assert_allclose(back.xyxy_px, detections.xyxy_px, atol=1e-9)
    np.testing.assert_array_equal(back.score, detections.score)


def test_tracked_objects_survive() -> None:
    rng = np.random.default_rng(3)
    num = 3
    objects = TrackedObjects(
        boxes=Boxes3D(
            frame_id="odom",
            stamp_ns=5_000_000_001,
            center_m=rng.normal(size=(num, 3)),
            quat_xyzw=quat_from_yaw(rng.normal(size=num)),
            size_lwh_m=rng.uniform(1, 2, (num, 3)),
            covariance=rng.normal(size=(num, 6, 6)),
            score=np.array([0.25, 0.5, 1.0]),
            classes=("car", "unknown"),
            class_probs=np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]]),
            sensors=(("lidar",), (), ("camera", "lidar")),
        ),
        ids=tuple(UUID(int=i + 1) for i in range(num)),
        state=np.array(
            [TrackState.TENTATIVE, TrackState.COASTING, TrackState.CONFIRMED], np.uint8
        ),
        velocity_mps=rng.normal(size=(num, 3)),
        angular_velocity_radps=rng.normal(size=(num, 3)),
        twist_covariance=rng.normal(size=(num, 6, 6)),
        acceleration_mps2=np.full((num, 3), np.nan),
        size_covariance=rng.normal(size=(num, 3, 3)),
        orientation_known=np.array([True, False, True]),
        stationary=np.array([False, True, False]),
        num_detections=np.array([1, 2, 30]),
        last_seen_ns=np.array([1, 2_000_000_003, 5_000_000_001]),
    )
    msg = deserialize_message(messages.objects_to_bytes(objects), TrackedObjectArray)
    assert msg.objects[2].classes[0].class_id == "unknown"
    assert msg.objects[1].state == TrackedObject.STATE_COASTING
    back = messages.objects_from_msg(msg)
    assert back.ids == objects.ids
    assert back.boxes.sensors == objects.boxes.sensors
    for name in (
        "state",
        "velocity_mps",
        "angular_velocity_radps",
        "twist_covariance",
        "acceleration_mps2",
        "size_covariance",
        "orientation_known",
        "stationary",
        "num_detections",
        "last_seen_ns",
    ):
        np.testing.assert_array_equal(getattr(back, name), getattr(objects, name))
    for name in ("center_m", "quat_xyzw", "size_lwh_m", "covariance", "class_probs", "score"):
        np.testing.assert_array_equal(getattr(back.boxes, name), getattr(objects.boxes, name))


def test_states_have_the_values_of_the_message() -> None:
    for state in TrackState:
        assert getattr(TrackedObject, f"STATE_{state.name}") == state


def test_transform_survives() -> None:
    transform = RigidTransform.from_quat(
        target="odom",
        source="base_link",
        quat_xyzw=quat_from_yaw(0.3),
        translation_m=np.array([1.0, 2, 3]),
    )
    message = conversions.transforms_msg([transform], stamp_ns=7)
    msg = message.transforms[0]
    assert (msg.header.frame_id, msg.child_frame_id, msg.header.stamp.nanosec) == (
        "odom",
        "base_link",
        7,
    )
    ((back, stamp_ns),) = messages.transforms_from_msg(message)
    assert stamp_ns == 7
    np.testing.assert_allclose(back.matrix, transform.matrix, atol=1e-15)


def test_camera_survives() -> None:
    k = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])
    camera = CameraModel(
        frame_id="camera_optical",
        width_px=640,
        height_px=480,
        k=k,
        distortion_model="plumb_bob",
        distortion=np.array([0.1, -0.2, 1e-3, 2e-3, 0.05]),
        rectification=np.eye(3),
        projection=np.hstack([k, np.ones((3, 1))]),
    )
    back = messages.camera_from_msg(conversions.camera_info_msg(camera, stamp_ns=1))
    assert (back.frame_id, back.width_px, back.height_px) == ("camera_optical", 640, 480)
    for name in ("k", "distortion", "rectification", "projection"):
        np.testing.assert_array_equal(getattr(back, name), getattr(camera, name))


@pytest.mark.parametrize("num", [0, 1, 1000])
def test_cloud_survives(num: int) -> None:
    xyz_m = np.random.default_rng(0).normal(size=(num, 3)).astype(np.float32)
    cloud = PointCloud(frame_id="lidar", stamp_ns=3, xyz_m=xyz_m)
    back = messages.cloud_from_msg(conversions.cloud_msg(cloud))
    assert (back.frame_id, back.stamp_ns) == ("lidar", 3)
    np.testing.assert_array_equal(back.xyz_m, xyz_m)
