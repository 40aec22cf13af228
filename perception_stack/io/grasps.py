"""Grasp files of objects: ``isaac_grasp`` YAML, format version 1.0.

Position and orientation are those of the gripper's frame in the object's frame. The names of the
two frames are for people. ::

    format: isaac_grasp
    format_version: 1.0
    object_frame_link: mug
    gripper_frame_link: panda_hand
    grasps:
      grasp_0:
        confidence: 1.0
        position: [0.0, 0.0, 0.2]
        orientation: {w: 0.0, xyz: [1.0, 0.0, 0.0]}
        cspace_position: {panda_finger_joint1: 0.01}
        pregrasp_cspace_position: {panda_finger_joint1: 0.04}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray, check_array, check_rows
from perception_stack.errors import DataFileError
from perception_stack.io.text_files import read_yaml

_FORMAT, _VERSION = "isaac_grasp", 1.0
_UNIT_TOLERANCE = 1e-2

Joints = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraspFile:
    """Grasps of one object with one gripper.

    Attributes:
        object_frame: Name of the object's frame.
        gripper_frame: Name of the gripper's frame.
        names: G names.
        position_m: float64 [G, 3], of the gripper's frame in the object's.
        quat_xyzw: float64 [G, 4].
        confidence: float64 [G], in [0, 1].
        joints: Positions of the gripper's joints at each grasp; empty where the file has none.
        joints_before: The same before each grasp.
    """

    object_frame: str
    gripper_frame: str
    names: tuple[str, ...]
    position_m: FloatArray
    quat_xyzw: FloatArray
    confidence: FloatArray
    joints: tuple[Joints, ...]
    joints_before: tuple[Joints, ...]

    def __post_init__(self) -> None:
        num = len(self.names)
        check_array("position_m", self.position_m, np.float64, num, 3)
        check_array("quat_xyzw", self.quat_xyzw, np.float64, num, 4)
        check_array("confidence", self.confidence, np.float64, num)
        check_rows("joints", self.joints, num)
        check_rows("joints_before", self.joints_before, num)

    def __len__(self) -> int:
        return len(self.names)


def read_grasps(path: Path) -> GraspFile:
    """The grasps of a file, in its order.

    Raises:
        DataFileError: no such file, no YAML, another format or version, or a grasp that is none;
            the message names the grasp and the entry.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise DataFileError(path, f"no grasp file; it must say 'format: {_FORMAT}'")
    version = content.get("format_version")
    if version != _VERSION:
        raise DataFileError(path, f"format_version {version}, known is {_VERSION}")
    entries = content.get("grasps") or {}
    if not isinstance(entries, dict):
        raise DataFileError(path, "'grasps' must be a map of names to grasps")
    poses, joints, before = [], [], []
    for name, entry in entries.items():
        try:
            poses.append(_pose(entry))
            joints.append(_joints(entry, "cspace_position"))
            before.append(_joints(entry, "pregrasp_cspace_position"))
        except (KeyError, TypeError, ValueError) as error:
            why = f"no '{error.args[0]}'" if isinstance(error, KeyError) else str(error)
            raise DataFileError(path, f"grasp '{name}': {why}") from error
    table = np.array(poses, dtype=np.float64).reshape(-1, 8)
    return GraspFile(
        object_frame=_frame(content, "object"),
        gripper_frame=_frame(content, "gripper"),
        names=tuple(str(name) for name in entries),
        position_m=table[:, :3].copy(),
        quat_xyzw=table[:, 3:7].copy(),
        confidence=table[:, 7].copy(),
        joints=tuple(joints),
        joints_before=tuple(before),
    )


def write_grasps(grasps: GraspFile, path: Path) -> None:
    """Write a file that :func:`read_grasps` and others read.

    Raises:
        DataFileError: the file cannot be written, or two grasps have one name.
    """
    import yaml

    if len(set(grasps.names)) != len(grasps):
        raise DataFileError(path, "two grasps of one name")
    entries: dict[str, Any] = {}
    for i, name in enumerate(grasps.names):
        x, y, z, w = (float(value) for value in grasps.quat_xyzw[i])
        entries[name] = {
            "confidence": float(grasps.confidence[i]),
            "position": [float(value) for value in grasps.position_m[i]],
            "orientation": {"w": w, "xyz": [x, y, z]},
        }
        for key, joints in (
            ("cspace_position", grasps.joints[i]),
            ("pregrasp_cspace_position", grasps.joints_before[i]),
        ):
            if joints:
                entries[name][key] = {joint: float(value) for joint, value in joints.items()}
    content = {
        "format": _FORMAT,
        "format_version": _VERSION,
        "object_frame_link": grasps.object_frame,
        "gripper_frame_link": grasps.gripper_frame,
        "grasps": entries,
    }
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataFileError(path, f"cannot be written: {error.strerror}") from error


def _frame(content: Mapping[str, Any], of: str) -> str:
    """Newer files say ``object_frame`` for ``object_frame_link``."""
    return str(content.get(f"{of}_frame_link", content.get(f"{of}_frame", "")))


def _pose(entry: Any) -> list[float]:
    """Position, quaternion x, y, z, w and confidence, checked."""
    position = [float(value) for value in entry["position"]]
    orientation = entry["orientation"]
    quat = [*(float(value) for value in orientation["xyz"]), float(orientation["w"])]
    confidence = float(entry["confidence"])
    if len(position) != 3 or len(quat) != 4:
        raise ValueError("position and xyz must have three numbers each")
    if not np.isfinite([*position, *quat]).all():
        raise ValueError("numbers that are not finite")
    length = float(np.linalg.norm(quat))
    if abs(length - 1) > _UNIT_TOLERANCE:
        raise ValueError(f"orientation has length {length:.4g}, not 1")
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence {confidence} is not in [0, 1]")
    return [*position, *(value / length for value in quat), confidence]


def _joints(entry: Any, key: str) -> Joints:
    return {str(joint): float(value) for joint, value in (entry.get(key) or {}).items()}
