"""``perception_stack/TrackedObjectArray``: the tracked list on the wire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from perception_stack.datatypes import Boxes3D, FloatArray, TrackedObjects, TrackState
from perception_stack.errors import DecodeError
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.boxes import Hypotheses, beliefs, check_quats
from perception_stack.io.messages.headers import (
    Build,
    header_to_msg,
    stamp_ns,
    time_ns,
    time_to_msg,
)
from perception_stack.io.messages.transforms import pose_to_msg, vector_to_msg, xyz_of, xyzw_of

SHAPE_BOX = 0
_STATES = tuple(TrackState)


def objects_from_msg(message: Any) -> TrackedObjects:
    """The tracked list, classes sorted by name.

    Existence comes back with float32 precision, which is what the message holds.

    Args:
        message: ``perception_stack/TrackedObjectArray``.

    Raises:
        DecodeError: an object without class, with probabilities that are none, an unknown state,
            or an orientation that is not of unit length.
    """
    header, objects = message.header, message.objects
    for i, one in enumerate(objects):
        if one.state not in _STATES:
            raise DecodeError(f"object {i} has unknown state {one.state}")
    hypotheses = Hypotheses.of(
        [(each.class_id, each.score) for each in one.classes] for one in objects
    )
    for i in hypotheses.without:
        raise DecodeError(f"object {i} has no class")
    _, classes, class_probs = beliefs(hypotheses)
    quat_xyzw = _rows(objects, lambda one: xyzw_of(one.pose.pose.orientation), 4)
    check_quats(quat_xyzw)
    empty = Boxes3D.empty(frame_id=header.frame_id, stamp_ns=stamp_ns(header))
    boxes = Boxes3D(
        frame_id=empty.frame_id,
        stamp_ns=empty.stamp_ns,
        center_m=_rows(objects, lambda one: xyz_of(one.pose.pose.position), 3),
        quat_xyzw=quat_xyzw,
        size_lwh_m=_rows(objects, lambda one: xyz_of(one.size), 3),
        covariance=_rows(objects, lambda one: one.pose.covariance, 6, 6),
        score=_rows(objects, lambda one: one.existence_probability),
        classes=classes or empty.classes,
        class_probs=class_probs if classes else empty.class_probs,
        sensors=tuple(tuple(one.sensors) for one in objects),
    )
    return TrackedObjects(
        boxes=boxes,
        ids=tuple(UUID(bytes=bytes(one.id.uuid)) for one in objects),
        state=np.array([one.state for one in objects], dtype=np.uint8),
        velocity_mps=_rows(objects, lambda one: xyz_of(one.twist.twist.linear), 3),
        angular_velocity_radps=_rows(objects, lambda one: xyz_of(one.twist.twist.angular), 3),
        twist_covariance=_rows(objects, lambda one: one.twist.covariance, 6, 6),
        acceleration_mps2=_rows(objects, lambda one: xyz_of(one.accel.accel.linear), 3),
        size_covariance=_rows(objects, lambda one: one.size_covariance, 3, 3),
        orientation_known=np.array([one.orientation_known for one in objects], dtype=np.bool_),
        stationary=np.array([one.stationary for one in objects], dtype=np.bool_),
        num_detections=np.array([one.num_detections for one in objects], dtype=np.int64),
        last_seen_ns=np.array([time_ns(one.last_seen) for one in objects], dtype=np.int64),
    )


def objects_to_msg(objects: TrackedObjects, *, build: Build = build_message) -> Any:
    """A ``perception_stack/TrackedObjectArray``."""
    return build(
        "perception_stack/msg/TrackedObjectArray",
        header=header_to_msg(objects.stamp_ns, objects.frame_id, build=build),
        objects=[_object_to_msg(objects, i, build) for i in range(len(objects))],
    )


def _object_to_msg(objects: TrackedObjects, i: int, build: Build) -> Any:
    boxes = objects.boxes
    likely = np.argsort(-boxes.class_probs[i], kind="stable")
    return build(
        "perception_stack/msg/TrackedObject",
        id=build(
            "unique_identifier_msgs/msg/UUID",
            uuid=np.frombuffer(objects.ids[i].bytes, dtype=np.uint8),
        ),
        state=int(objects.state[i]),
        existence_probability=float(boxes.score[i]),
        classes=[
            build(
                "vision_msgs/msg/ObjectHypothesis",
                class_id=boxes.classes[column],
                score=float(boxes.class_probs[i, column]),
            )
            for column in likely
            if boxes.class_probs[i, column] > 0
        ],
        pose=build(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=pose_to_msg(boxes.center_m[i], boxes.quat_xyzw[i], build=build),
            covariance=boxes.covariance[i].ravel(),
        ),
        orientation_known=bool(objects.orientation_known[i]),
        twist=build(
            "geometry_msgs/msg/TwistWithCovariance",
            twist=build(
                "geometry_msgs/msg/Twist",
                linear=vector_to_msg(objects.velocity_mps[i], build=build),
                angular=vector_to_msg(objects.angular_velocity_radps[i], build=build),
            ),
            covariance=objects.twist_covariance[i].ravel(),
        ),
        accel=build(
            "geometry_msgs/msg/AccelWithCovariance",
            accel=build(
                "geometry_msgs/msg/Accel",
                linear=vector_to_msg(objects.acceleration_mps2[i], build=build),
                angular=vector_to_msg(np.full(3, np.nan), build=build),
            ),
            covariance=np.full(36, np.nan),
        ),
        stationary=bool(objects.stationary[i]),
        shape=SHAPE_BOX,
        size=vector_to_msg(boxes.size_lwh_m[i], build=build),
        size_covariance=objects.size_covariance[i].ravel(),
        sensors=list(boxes.sensors[i]),
        num_detections=int(objects.num_detections[i]),
        last_seen=time_to_msg(int(objects.last_seen_ns[i]), build=build),
    )


def _rows(objects: Sequence[Any], read: Callable[[Any], Any], *shape: int) -> FloatArray:
    """One quantity of all objects, float64 [N, *shape]."""
    values = [np.asarray(read(one), dtype=np.float64).reshape(shape) for one in objects]
    return np.array(values).reshape(len(objects), *shape)
