"""``perception_stack/GraspArray``, and objects as MoveIt's ``CollisionObject``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np

from perception_stack.datatypes import Boxes3D, FloatArray, Grasps, SceneObjects, ShapeKind
from perception_stack.errors import DecodeError
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.boxes import check_quats
from perception_stack.io.messages.headers import Build, header_to_msg, stamp_ns
from perception_stack.io.messages.transforms import (
    origin_to_msg,
    pose_to_msg,
    vector_to_msg,
    xyz_of,
    xyzw_of,
)

_NOBODY = UUID(int=0)
# of moveit_msgs/CollisionObject and shape_msgs/SolidPrimitive
_ADD, _REMOVE = b"\x00", b"\x01"
_BOX, _SPHERE, _CYLINDER = 1, 2, 3


def grasps_to_msg(grasps: Grasps, *, build: Build = build_message) -> Any:
    """A ``perception_stack/GraspArray``."""
    objects = grasps.objects
    counts = np.bincount(grasps.object_idx, minlength=len(objects))
    return build(
        "perception_stack/msg/GraspArray",
        header=header_to_msg(grasps.stamp_ns, grasps.frame_id, build=build),
        support=objects.support,
        objects=[_object_to_msg(objects, i, int(counts[i]), build) for i in range(len(objects))],
        grasps=[_grasp_to_msg(grasps, i, build) for i in range(len(grasps))],
    )


def grasps_from_msg(message: Any) -> Grasps:
    """Grasps and objects of a ``perception_stack/GraspArray``.

    Raises:
        DecodeError: a row that is none, an unknown shape, or an orientation that is not of unit
            length.
    """
    objects = _objects_from_msg(message)
    num, given = len(objects), message.grasps
    object_idx = np.array([one.object_index for one in given], dtype=np.int64)
    if len(object_idx) and object_idx.max() >= num:
        raise DecodeError(f"a grasp of object {object_idx.max()}, but there are {num}")
    quat_xyzw = _table([xyzw_of(one.pose.orientation) for one in given], 4)
    check_quats(quat_xyzw)
    return Grasps(
        objects=objects,
        object_idx=object_idx,
        source=np.array([one.source for one in given], dtype=np.uint8),
        position_m=_table([xyz_of(one.pose.position) for one in given], 3),
        quat_xyzw=quat_xyzw,
        opening_m=_table([one.opening for one in given]),
        width_m=_table([one.width for one in given]),
        approach_m=_table([one.approach_distance for one in given]),
        score=_table([one.score for one in given]),
    )


def collision_object_to_msg(objects: SceneObjects, row: int, name: str, *, build: Build) -> Any:
    """A ``moveit_msgs/CollisionObject`` that adds an object, or moves the one of that name."""
    size = objects.boxes.size_lwh_m[row]
    kind = ShapeKind(int(objects.shape[row]))
    if kind == ShapeKind.SPHERE:
        solid, dimensions = _SPHERE, size[:1] / 2
    elif kind == ShapeKind.CYLINDER:
        solid, dimensions = _CYLINDER, np.array([size[2], size[0] / 2])
    else:
        solid, dimensions = _BOX, size
    boxes = objects.boxes
    primitive = build(
        "shape_msgs/msg/SolidPrimitive",
        type=solid,
        dimensions=dimensions,
        polygon=build("geometry_msgs/msg/Polygon", points=[]),
    )
    return _collision_object(
        header_to_msg(boxes.stamp_ns, boxes.frame_id, build=build),
        pose=pose_to_msg(boxes.center_m[row], boxes.quat_xyzw[row], build=build),
        id=name,
        primitives=[primitive],
        operation=_ADD,
        build=build,
    )


def collision_removal_to_msg(frame_id: str, at_ns: int, name: str, *, build: Build) -> Any:
    """A ``moveit_msgs/CollisionObject`` that takes the object of a name away."""
    return _collision_object(
        header_to_msg(at_ns, frame_id, build=build),
        pose=origin_to_msg(build=build),
        id=name,
        primitives=[],
        operation=_REMOVE,
        build=build,
    )


def _collision_object(header: Any, *, primitives: list[Any], build: Build, **fields: Any) -> Any:
    return build(
        "moveit_msgs/msg/CollisionObject",
        header=header,
        type=build("object_recognition_msgs/msg/ObjectType", key="", db=""),
        primitives=primitives,
        primitive_poses=[origin_to_msg(build=build) for _ in primitives],
        meshes=[],
        mesh_poses=[],
        planes=[],
        plane_poses=[],
        subframe_names=[],
        subframe_poses=[],
        **fields,
    )


def _object_to_msg(objects: SceneObjects, i: int, num_grasps: int, build: Build) -> Any:
    boxes = objects.boxes
    return build(
        "perception_stack/msg/SceneObject",
        id=_id_to_msg(objects.ids[i], build),
        class_id=boxes.labels[i],
        shape=int(objects.shape[i]),
        pose=build(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=pose_to_msg(boxes.center_m[i], boxes.quat_xyzw[i], build=build),
            covariance=np.ascontiguousarray(boxes.covariance[i]).ravel(),
        ),
        size=vector_to_msg(boxes.size_lwh_m[i], build=build),
        size_covariance=np.ascontiguousarray(objects.size_covariance[i]).ravel(),
        score=float(boxes.score[i]),
        on_support=bool(objects.on_support[i]),
        stands_on=np.flatnonzero(objects.stands_on[i]).astype(np.uint32),
        touches=np.flatnonzero(objects.touches[i]).astype(np.uint32),
        num_grasps=num_grasps,
        reason=objects.reasons[i],
    )


def _grasp_to_msg(grasps: Grasps, i: int, build: Build) -> Any:
    row = int(grasps.object_idx[i])
    return build(
        "perception_stack/msg/Grasp",
        object_id=_id_to_msg(grasps.objects.ids[row], build),
        object_index=row,
        class_id=grasps.objects.boxes.labels[row],
        source=int(grasps.source[i]),
        pose=pose_to_msg(grasps.position_m[i], grasps.quat_xyzw[i], build=build),
        opening=float(grasps.opening_m[i]),
        width=float(grasps.width_m[i]),
        approach_distance=float(grasps.approach_m[i]),
        score=float(grasps.score[i]),
    )


def _objects_from_msg(message: Any) -> SceneObjects:
    given, header = message.objects, message.header
    num = len(given)
    for i, one in enumerate(given):
        if one.shape not in tuple(ShapeKind):
            raise DecodeError(f"object {i} has unknown shape {one.shape}")
        if any(row >= num for row in (*one.stands_on, *one.touches)):
            raise DecodeError(f"object {i} is related to one of {num} that is not there")
    labels = [one.class_id for one in given]
    classes = tuple(sorted(set(labels))) or Boxes3D.empty(frame_id="", stamp_ns=0).classes
    quat_xyzw = _table([xyzw_of(one.pose.pose.orientation) for one in given], 4)
    check_quats(quat_xyzw)
    relations = np.zeros((2, num, num), dtype=np.bool_)
    for i, one in enumerate(given):
        relations[0, i, list(one.stands_on)] = True
        relations[1, i, list(one.touches)] = True
    ids = [UUID(bytes=bytes(one.id.uuid)) for one in given]
    return SceneObjects(
        boxes=Boxes3D(
            frame_id=header.frame_id,
            stamp_ns=stamp_ns(header),
            center_m=_table([xyz_of(one.pose.pose.position) for one in given], 3),
            quat_xyzw=quat_xyzw,
            size_lwh_m=_table([xyz_of(one.size) for one in given], 3),
            covariance=_table([one.pose.covariance for one in given], 6, 6),
            score=_table([one.score for one in given]),
            classes=classes,
            class_probs=_table(
                [[float(name == label) for name in classes] for label in labels], len(classes)
            ),
            sensors=(("depth",),) * num,
        ),
        ids=tuple(None if one == _NOBODY else one for one in ids),
        shape=np.array([one.shape for one in given], dtype=np.uint8),
        size_covariance=_table([one.size_covariance for one in given], 3, 3),
        support=np.asarray(message.support, dtype=np.float64),
        on_support=np.array([one.on_support for one in given], dtype=np.bool_),
        touches=relations[1],
        stands_on=relations[0],
        reasons=tuple(one.reason for one in given),
    )


def _id_to_msg(identity: UUID | None, build: Build) -> Any:
    uuid = np.frombuffer((identity or _NOBODY).bytes, dtype=np.uint8)
    return build("unique_identifier_msgs/msg/UUID", uuid=uuid)


def _table(rows: list[Any], *shape: int) -> FloatArray:
    """One quantity of all, float64 [N, *shape]."""
    return np.array(rows, dtype=np.float64).reshape(len(rows), *shape)
