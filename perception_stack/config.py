"""One description per parameter: default, text, unit, range, choices.

A step's configuration is a frozen dataclass derived from :class:`StepConfig` whose fields are made
by :func:`param`. From it the nodes declare ROS parameters, the offline tools load YAML, and
the parameter tables of the README are written. Parameter files have the ROS 2 layout and one
section for all nodes; a step's values lie under the step's name::

    /**:
      ros__parameters:
        tracker:
          confirm_hits: 3
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from perception_stack.errors import ConfigError, UnknownParameterError

_KEY = "perception_stack"
_SCALARS = (bool, int, float, str)
_ARRAYS = {tuple[float, ...]: float, tuple[str, ...]: str, tuple[int, ...]: int}

ConfigT = TypeVar("ConfigT", bound="StepConfig")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamSpec:
    """Everything there is to say about one parameter."""

    name: str
    type: Any
    default: Any
    text: str
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    live: bool

    def checked(self, value: Any, *, where: str) -> Any:
        """The value in its declared type.

        Raises:
            ConfigError: wrong type, out of range, or not one of the choices.
        """
        value = self._typed(value, where=where)
        for one in value if isinstance(value, tuple) else (value,):
            if self.choices and one not in self.choices:
                msg = f"{where}: '{one}' is not one of {', '.join(self.choices)}"
                raise ConfigError(msg)
            # written so that NaN fails
            if self.low is not None and not one >= self.low:
                raise ConfigError(
                    f"{where}: {one} {self.unit} is below {self.low}".replace("  ", " ")
                )
            if self.high is not None and not one <= self.high:
                raise ConfigError(
                    f"{where}: {one} {self.unit} is above {self.high}".replace("  ", " ")
                )
        return value

    def _typed(self, value: Any, *, where: str) -> Any:
        element = _ARRAYS.get(self.type)
        if element is not None:
            if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
                raise ConfigError(f"{where}: expected a list, got {value!r}")
            return tuple(_scalar(one, element, where=where) for one in value)
        return _scalar(value, self.type, where=where)


def _scalar(value: Any, kind: type, *, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ConfigError(f"{where}: expected {kind.__name__}, got {value!r}")


def param(
    default: Any,
    text: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    live: bool = False,
) -> Any:
    """Field of a :class:`StepConfig`: default value and what it means.

    Args:
        default: bool, int, float, str, or a tuple of float, int or str.
        text: One sentence for people.
        unit: SI unit, empty where there is none.
        low: Least allowed value, inclusive; for tuples of every element.
        high: Greatest allowed value, inclusive.
        choices: Allowed strings, any when empty.
        live: Whether a running node takes another value.
    """
    meta = {
        "text": text, "unit": unit, "low": low, "high": high, "choices": choices, "live": live,
    }  # fmt: skip
    return field(default=default, metadata={_KEY: meta})


@dataclass(frozen=True, slots=True, kw_only=True)
class StepConfig:
    """Base of every step's configuration; checks types and ranges when made."""

    def __post_init__(self) -> None:
        for spec in specs(type(self)):
            where = f"{type(self).__name__}.{spec.name}"
            object.__setattr__(
                self, spec.name, spec.checked(getattr(self, spec.name), where=where)
            )


class CamerasConfig(StepConfig):
    """Base of configurations with a parameter ``cameras``, names of several cameras."""

    cameras: tuple[str, ...]

    def __post_init__(self) -> None:
        StepConfig.__post_init__(self)
        if len(set(self.cameras)) < len(self.cameras) or "" in self.cameras:
            raise ConfigError(f"cameras must be different names: {self.cameras}")

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Every camera; one without a name of its own is "camera"."""
        return self.cameras or ("camera",)

    def camera_topic(self, name: str, kind: str) -> str:
        """Topic of what comes from a camera or is found in its images, e.g. ``detections``."""
        return f"{name}/{kind}" if self.cameras else kind


def specs(config_type: type[StepConfig]) -> Iterator[ParamSpec]:
    """The parameters of a configuration in declared order.

    Raises:
        TypeError: a field was not made by :func:`param` or has a type that ROS cannot hold.
    """
    hints = get_type_hints(config_type)
    for one in fields(config_type):
        meta = one.metadata.get(_KEY)
        if meta is None or one.default is MISSING:
            raise TypeError(f"{config_type.__name__}.{one.name} is not made by param()")
        kind = hints[one.name]
        if kind not in _SCALARS and kind not in _ARRAYS:
            raise TypeError(f"{config_type.__name__}.{one.name}: {kind} is no parameter type")
        yield ParamSpec(name=one.name, type=kind, default=one.default, **meta)


def config_from_params(
    config_type: type[ConfigT], params: Mapping[str, Any], *, where: str
) -> ConfigT:
    """Configuration from plain values; what is not named keeps its default.

    Args:
        config_type: The step's configuration class.
        params: Values by parameter name.
        where: Said in errors, e.g. the section of the file.

    Raises:
        UnknownParameterError: a name that the class does not declare.
        ConfigError: a value of the wrong type or out of range.
    """
    known = {spec.name: spec for spec in specs(config_type)}
    for name in params:
        if name not in known:
            raise UnknownParameterError(name, known, where=where)
    values = {
        name: known[name].checked(value, where=f"{where}.{name}") for name, value in params.items()
    }
    return config_type(**values)


def load_params_file(path: Path) -> dict[str, Any]:
    """Values of a ROS 2 parameter file, nested by step name.

    Raises:
        ConfigError: no such file, not YAML, or not the layout given in the module docstring.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read parameter file '{path}': {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"parameter file '{path}' is not YAML: {error}") from error
    if content is None:
        return {}
    layout = "expected '/**:' with 'ros__parameters:' below it and nothing else"
    if not isinstance(content, dict) or list(content) != ["/**"]:
        raise ConfigError(f"parameter file '{path}': {layout}")
    section = content["/**"]
    if not isinstance(section, dict) or list(section) != ["ros__parameters"]:
        raise ConfigError(f"parameter file '{path}': {layout}")
    params = section["ros__parameters"] or {}
    if not isinstance(params, dict):
        raise ConfigError(f"parameter file '{path}': {layout}")
    return params
