"""Grasp files, and grasps on the wire."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.datatypes import Boxes3D, Grasps, SceneObjects, ShapeKind
from perception_stack.errors import DataFileError, DecodeError
from perception_stack.io.grasps import GraspFile, read_grasps, write_grasps
from perception_stack.io.interfaces import decode, encode
from perception_stack.io.messages import grasps_from_msg, grasps_to_msg
from perception_stack.io.messages.grasps import (
    collision_object_to_msg,
    collision_removal_to_msg,
)

PUBLIC = """
format: isaac_grasp
format_version: 1.0

object_frame_link: /World/mug
gripper_frame_link: /World/panda_hand

grasps:
  grasp_0:
    confidence: 0.75
    position: [-0.04, 0.06, 0.19]
    orientation: {w: 0.0, xyz: [1.0, 0.0, 0.0]}
    cspace_position:
      panda_finger_joint1: 0.009
    pregrasp_cspace_position:
      panda_finger_joint1: 0.04
  grasp_1:
    confidence: 1
    position: [0, 0, 0.2]
    orientation: {w: 0.6, xyz: [0.0, 0.8, 0.0]}
"""

angles = st.floats(-3, 3)


def test_public_example(tmp_path: Path) -> None:
    path = tmp_path / "mug.yaml"
    path.write_text(PUBLIC)
    grasps = read_grasps(path)
    assert grasps.names == ("grasp_0", "grasp_1")
    assert (grasps.object_frame, grasps.gripper_frame) == ("/World/mug", "/World/panda_hand")
    np.testing.assert_array_equal(grasps.position_m, [[-0.04, 0.06, 0.19], [0, 0, 0.2]])
    np.testing.assert_array_equal(grasps.quat_xyzw, [[1, 0, 0, 0], [0, 0.8, 0, 0.6]])
    np.testing.assert_array_equal(grasps.confidence, [0.75, 1])
    assert grasps.joints == ({"panda_finger_joint1": 0.009}, {})
    assert grasps.joints_before == ({"panda_finger_joint1": 0.04}, {})


def test_frames_without_link_in_their_names_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mug.yaml"
    path.write_text(PUBLIC.replace("_frame_link", "_frame"))
    assert read_grasps(path).object_frame == "/World/mug"


@given(
    rows=st.lists(
        st.tuples(angles, angles, angles, angles, st.floats(0.1, 3), st.floats(0, 1)), max_size=4
    )
)
def test_file_there_and_back(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    table = np.array(rows).reshape(-1, 6)
    quat = table[:, 1:5] / np.linalg.norm(table[:, 1:5], axis=1, keepdims=True)
    grasps = GraspFile(
        object_frame="mug",
        gripper_frame="hand",
        names=tuple(f"g{i}" for i in range(len(table))),
        position_m=table[:, :3].copy(),
        quat_xyzw=quat,
        confidence=table[:, 5].copy(),
        joints=({"finger": 0.01},) * len(table),
        joints_before=({},) * len(table),
    )
    path = tmp_path_factory.mktemp("grasps") / "mug.yaml"
    write_grasps(grasps, path)
    again = read_grasps(path)
    assert again.names == grasps.names
    assert again.joints == grasps.joints
    assert again.joints_before == grasps.joints_before
    np.testing.assert_array_equal(again.position_m, grasps.position_m)
    np.testing.assert_array_equal(again.confidence, grasps.confidence)
    np.testing.assert_allclose(again.quat_xyzw, grasps.quat_xyzw, atol=1e-15)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("isaac_grasp", "other", "format: isaac_grasp"),
        ("format_version: 1.0", "format_version: 2.0", "format_version 2.0"),
        ("confidence: 0.75", "confidence: 1.75", "grasp 'grasp_0': confidence"),
        ("    confidence: 0.75\n", "", "grasp 'grasp_0': no 'confidence'"),
        ("[-0.04, 0.06, 0.19]", "[-0.04, 0.06]", "three numbers"),
        ("[-0.04, 0.06, 0.19]", "[-0.04, 0.06, .nan]", "finite"),
        ("{w: 0.6,", "{w: 6.0,", "grasp 'grasp_1': orientation has length"),
        ("grasps:\n", "grasps: 3\nother:\n", "map of names"),
        ("format:", "format: [", "not YAML"),
    ],
)
def test_bad_file_says_what_and_where(tmp_path: Path, old: str, new: str, why: str) -> None:
    path = tmp_path / "mug.yaml"
    path.write_text(PUBLIC.replace(old, new, 1))
    with pytest.raises(DataFileError, match=re.escape(why)):
        read_grasps(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="No such file"):
        read_grasps(tmp_path / "mug.yaml")


def scene(num_grasps: int = 2) -> Grasps:
    rng = np.random.default_rng(0)
    stands_on = np.zeros((2, 2), dtype=np.bool_)
    stands_on[1, 0] = True
    objects = SceneObjects(
        boxes=Boxes3D(
            frame_id="camera",
            stamp_ns=1_000_000_005,
            center_m=rng.normal(size=(2, 3)),
            quat_xyzw=np.array([[0.0, 0, 0, 1], [0.6, 0, 0, 0.8]]),
            size_lwh_m=np.array([[0.1, 0.1, 0.2], [0.06, 0.06, 0.06]]),
            covariance=np.tile(np.eye(6), (2, 1, 1)),
            score=np.array([0.9, 0.5]),
            classes=("mug", "unknown"),
            class_probs=np.eye(2),
            sensors=(("depth",),) * 2,
        ),
        ids=(None, UUID(int=7)),
        shape=np.array([ShapeKind.MODEL, ShapeKind.SPHERE], dtype=np.uint8),
        size_covariance=rng.normal(size=(2, 3, 3)),
        support=np.array([0.0, 0, 1, 0.5]),
        on_support=np.array([True, False]),
        touches=stands_on | stands_on.T,
        stands_on=stands_on,
        reasons=("carries_object", ""),
    )
    return Grasps(
        objects=objects,
        object_idx=np.ones(num_grasps, dtype=np.int64),
        source=np.full(num_grasps, 3, dtype=np.uint8),
        position_m=rng.normal(size=(num_grasps, 3)),
        quat_xyzw=np.tile([0.0, 0.8, 0, 0.6], (num_grasps, 1)),
        opening_m=rng.random(num_grasps),
        width_m=rng.random(num_grasps),
        approach_m=rng.random(num_grasps),
        score=rng.random(num_grasps),
    )


@pytest.mark.parametrize("num_grasps", [0, 2])
def test_message_there_and_back(num_grasps: int) -> None:
    given_grasps = scene(num_grasps)
    raw, name = encode(grasps_to_msg(given_grasps))
    message = decode(bytes(raw), name)
    assert [one.num_grasps for one in message.objects] == [0, num_grasps]
    assert bytes(message.objects[1].id.uuid) == UUID(int=7).bytes
    found = grasps_from_msg(message)
    for owner, expected in ((found, given_grasps), (found.objects, given_grasps.objects)):
        for field in expected.__dataclass_fields__:
            value = getattr(expected, field)
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(getattr(owner, field), value, err_msg=field)
    assert found.objects.ids == given_grasps.objects.ids
    assert found.objects.reasons == given_grasps.objects.reasons
    assert found.objects.boxes.labels == given_grasps.objects.boxes.labels
    assert (found.frame_id, found.stamp_ns) == ("camera", 1_000_000_005)


def test_message_that_does_not_hold_together() -> None:
    message = grasps_to_msg(scene())
    message.grasps[0].object_index = 2
    with pytest.raises(DecodeError, match="object 2"):
        grasps_from_msg(message)
    message = grasps_to_msg(scene())
    message.objects[0].touches = np.array([5], dtype=np.uint32)
    with pytest.raises(DecodeError, match="object 0"):
        grasps_from_msg(message)
    message = grasps_to_msg(scene())
    message.objects[0].shape = 9
    with pytest.raises(DecodeError, match="shape 9"):
        grasps_from_msg(message)


def test_collision_objects_of_moveit() -> None:
    """As their definitions have it: ADD is 0, REMOVE 1; BOX 1, SPHERE 2, CYLINDER 3."""

    def build(name: str, **fields: object) -> SimpleNamespace:
        return SimpleNamespace(name=name, **fields)

    objects = scene().objects
    mug = collision_object_to_msg(objects, 0, "mug_1", build=build)
    assert (mug.id, mug.operation, mug.primitives[0].type) == ("mug_1", b"\x00", 1)
    np.testing.assert_array_equal(mug.primitives[0].dimensions, [0.1, 0.1, 0.2])
    assert mug.header.frame_id == "camera"
    assert mug.pose.position.x == objects.boxes.center_m[0, 0]
    ball = collision_object_to_msg(objects, 1, "ball", build=build)
    assert ball.primitives[0].type == 2
    np.testing.assert_array_equal(ball.primitives[0].dimensions, [0.03])
    gone = collision_removal_to_msg("camera", 5, "ball", build=build)
    assert (gone.id, gone.operation, gone.primitives) == ("ball", b"\x01", [])
    assert set(vars(gone)) == set(vars(mug))
