"""The command of tf2_ros that publishes a transform, one line each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_formats.parsing import get, values_of

_NAMES = ("x", "y", "z", "qx", "qy", "qz", "qw")
_PROGRAM = ("ros2", "run", "tf2_ros", "static_transform_publisher")


def dump_static_tf(transforms: Sequence[RigidTransform]) -> str:
    """Commands for a shell."""
    lines = []
    for one in transforms:
        values = [*one.translation_m.tolist(), *one.quat_xyzw.tolist()]
        words = list(_PROGRAM)
        for name, value in zip(_NAMES, values, strict=True):
            words += [f"--{name}", repr(value)]
        words += ["--frame-id", one.target, "--child-frame-id", one.source]
        lines.append(shlex.join(words))
    return "\n".join(lines) + "\n"


def load_static_tf(text: str) -> list[RigidTransform]:
    """The transforms of commands that give quaternions; lines of other programs are passed over.

    Raises:
        CalibrationError: a missing option or an impossible value; says which.
    """
    transforms = []
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if _PROGRAM[-1] not in words:
            continue
        options = words[words.index(_PROGRAM[-1]) + 1 :]
        given = dict(zip(options[::2], options[1::2], strict=False))
        what = f"'{line.strip()}'"
        values = values_of(given, [f"--{name}" for name in _NAMES], what)
        transforms.append(
            RigidTransform.from_quat(
                target=str(get(given, "--frame-id", what)),
                source=str(get(given, "--child-frame-id", what)),
                quat_xyzw=values[3:],
                translation_m=values[:3],
            )
        )
    return transforms
