"""``sensors_calibration.yaml`` and ``sensor_kit_calibration.yaml`` of Autoware's sensor kits.

Parents, below them children with x, y, z [m] and roll, pitch, yaw [rad] in the parent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_formats.angles import angles_of, rotation_of
from perception_stack.io.calibration_formats.parsing import as_mapping, parse_yaml, values_of

_KEYS = ("x", "y", "z", "roll", "pitch", "yaw")


def dump_autoware(transforms: Sequence[RigidTransform]) -> str:
    """Text of a file; parents in the order they come."""
    import yaml

    content: dict[str, dict[str, Any]] = {}
    for one in transforms:
        values = [*one.translation_m.tolist(), *angles_of(one.rotation)]
        content.setdefault(one.target, {})[one.source] = dict(zip(_KEYS, values, strict=True))
    text: str = yaml.safe_dump(content, sort_keys=False)
    return text


def load_autoware(text: str) -> list[RigidTransform]:
    """Each parent from its children.

    Raises:
        CalibrationError: a missing key or an impossible value; says which.
    """
    transforms = []
    for parent, children in parse_yaml(text).items():
        for child, entry in as_mapping(children, f"'{parent}'").items():
            what = f"'{parent}': '{child}'"
            values = values_of(as_mapping(entry, what), _KEYS, what)
            transforms.append(
                RigidTransform(
                    target=str(parent),
                    source=str(child),
                    rotation=rotation_of(*values[3:].tolist()),
                    translation_m=np.array(values[:3]),
                )
            )
    return transforms
