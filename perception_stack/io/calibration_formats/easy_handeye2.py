"""``NAME.calib`` of easy_handeye2: a message as YAML, which its publisher sends as static TF.

Parent is the robot's hand (``eye_in_hand``) or its base (``eye_on_base``), child the frame of the
camera.
"""

from __future__ import annotations

from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_formats.parsing import as_mapping, get, parse_yaml, values_of

_KINDS = ("eye_in_hand", "eye_on_base")
_XYZ, _XYZW = "xyz", "xyzw"


def dump_easy_handeye2(
    mount_from_eye: RigidTransform, *, name: str, in_hand: bool, other: str, marker: str
) -> str:
    """Text of a file.

    Args:
        mount_from_eye: The result; its target is the hand or the base.
        name: Of the calibration, by which easy_handeye2 finds the file.
        in_hand: Whether the camera is in the hand.
        other: The other frame of the robot: its base if the camera is in the hand, else its hand.
        marker: Frame of what the camera looked at.
    """
    import yaml

    base, hand = (other, mount_from_eye.target) if in_hand else (mount_from_eye.target, other)
    content = {
        "parameters": {
            "name": name,
            "calibration_type": _KINDS[0] if in_hand else _KINDS[1],
            "robot_base_frame": base,
            "robot_effector_frame": hand,
            "tracking_base_frame": mount_from_eye.source,
            "tracking_marker_frame": marker,
            "freehand_robot_movement": True,
        },
        "transform": {
            "translation": dict(zip(_XYZ, mount_from_eye.translation_m.tolist(), strict=True)),
            "rotation": dict(zip(_XYZW, mount_from_eye.quat_xyzw.tolist(), strict=True)),
        },
    }
    text: str = yaml.safe_dump(content, sort_keys=False)
    return text


def load_easy_handeye2(text: str) -> RigidTransform:
    """The hand or the base from the camera.

    Raises:
        CalibrationError: a missing key, an unknown kind, or an impossible value.
    """
    content = parse_yaml(text)
    parameters = as_mapping(get(content, "parameters", "the file"), "parameters")
    transform = as_mapping(get(content, "transform", "the file"), "transform")
    kind = get(parameters, "calibration_type", "parameters")
    if kind not in _KINDS:
        raise CalibrationError(f"calibration_type '{kind}' is not one of {', '.join(_KINDS)}")
    parent = "robot_effector_frame" if kind == _KINDS[0] else "robot_base_frame"
    parts = {
        key: as_mapping(get(transform, key, "transform"), key)
        for key in ("translation", "rotation")
    }
    return RigidTransform.from_quat(
        target=str(get(parameters, parent, "parameters")),
        source=str(get(parameters, "tracking_base_frame", "parameters")),
        quat_xyzw=values_of(parts["rotation"], _XYZW, "rotation"),
        translation_m=values_of(parts["translation"], _XYZ, "translation"),
    )
