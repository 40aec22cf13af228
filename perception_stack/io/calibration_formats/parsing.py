"""What the readers of foreign calibration files share: errors that name the key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError


def parse_yaml(text: str) -> dict[str, Any]:
    """A mapping.

    Raises:
        CalibrationError: it is none.
    """
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CalibrationError(f"not YAML: {error}") from error
    return as_mapping(content, "the file")


def as_mapping(content: Any, what: str) -> dict[str, Any]:
    """The value itself.

    Raises:
        CalibrationError: it is no mapping.
    """
    if not isinstance(content, dict):
        raise CalibrationError(f"{what} is not a mapping of keys to values")
    return content


def get(content: dict[str, Any], key: str, what: str) -> Any:
    """The value of a key that must be there."""
    if key not in content:
        raise CalibrationError(f"{what} has no '{key}'")
    return content[key]


def numbers(values: Any, num: int, what: str) -> FloatArray:
    """So many finite numbers, float64 [num]."""
    try:
        array = np.array(values, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise CalibrationError(f"{what}: {error}") from error
    if len(array) != num or not np.isfinite(array).all():
        raise CalibrationError(f"{what} must be {num} finite numbers, got {values}")
    return array


def values_of(content: dict[str, Any], keys: Iterable[str], what: str) -> FloatArray:
    """The values of some keys."""
    names = list(keys)
    return numbers([get(content, key, what) for key in names], len(names), what)
