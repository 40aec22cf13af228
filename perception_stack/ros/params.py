"""Declares a step's configuration as ROS parameters, from its one description.

A step's parameters carry the step's name in front (``tracker.confirm_hits``), also in its own
node, so one parameter file serves every node, the one-process node and the offline tools.
"""

from __future__ import annotations

from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from perception_stack.config import ParamSpec, StepConfig, config_from_params, specs
from perception_stack.errors import ConfigError, UnknownParameterError

ConfigT = TypeVar("ConfigT", bound=StepConfig)

_TYPES = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
    tuple[float, ...]: Parameter.Type.DOUBLE_ARRAY,
    tuple[int, ...]: Parameter.Type.INTEGER_ARRAY,
    tuple[str, ...]: Parameter.Type.STRING_ARRAY,
}


def declare_config(node: Node, section: str, config_type: type[ConfigT]) -> ConfigT:
    """Declare every parameter of a step and return their values.

    The node must have been made with ``automatically_declare_parameters_from_overrides=True``:
    that is the public way to see every override, also one that no step declares.

    Args:
        node: Gets the parameters.
        section: The step's name.
        config_type: The step's configuration.

    Raises:
        UnknownParameterError: an override of this section that the step does not declare.
        ConfigError: a value of the wrong type or out of range.
    """
    given = {name: one.value for name, one in node.get_parameters_by_prefix(section).items()}
    config = config_from_params(config_type, given, where=f"{node.get_name()}: {section}")
    for spec in specs(config_type):
        name = f"{section}.{spec.name}"
        if node.has_parameter(name):
            node.undeclare_parameter(name)
        node.declare_parameter(
            name,
            _ros_value(getattr(config, spec.name), spec),
            _descriptor(spec),
            ignore_override=True,
        )
    return config


def refuse_unknown(node: Node, sections: dict[str, type[StepConfig]], own: set[str]) -> None:
    """Refuse overrides that no step of the package declares; drop those of other steps.

    Args:
        node: The node after its own sections have been declared.
        sections: All sections of the package.
        own: Sections that this node declared.

    Raises:
        UnknownParameterError: an override that nobody declares, with the nearest known name.
        ConfigError: an override without a section.
    """
    known = {f"{section}.{spec.name}" for section in sections for spec in specs(sections[section])}
    for name in list(node.get_parameters_by_prefix("")):
        section, _, rest = name.partition(".")
        if name == "use_sim_time" or section in own or _is_of_rclpy(section):
            continue
        if not rest:
            text = f"parameter '{name}' belongs to no section; sections: {', '.join(sections)}"
            raise ConfigError(f"{node.get_name()}: {text}")
        if name not in known:
            raise UnknownParameterError(name, known, where=node.get_name())
        node.undeclare_parameter(name)


def _is_of_rclpy(section: str) -> bool:
    return section in ("qos_overrides", "start_type_description_service")


def _ros_value(value: Any, spec: ParamSpec) -> Any:
    if isinstance(value, tuple):
        # an empty list has no type of its own
        return list(value) if value else Parameter(spec.name, _TYPES[spec.type], []).value
    return value


def _descriptor(spec: ParamSpec) -> ParameterDescriptor:
    unit = f" [{spec.unit}]" if spec.unit else ""
    choices = f" One of: {', '.join(spec.choices)}." if spec.choices else ""
    descriptor = ParameterDescriptor(
        name=spec.name,
        type=_TYPES[spec.type].value,
        description=f"{spec.text}{unit}{choices}",
        # steps are built once; most changes need a restart of the node
        read_only=not spec.live,
        additional_constraints=choices.strip(),
    )
    low, high = spec.low, spec.high
    if spec.type is float and low is not None and high is not None:
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    if spec.type is int and low is not None and high is not None:
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return descriptor
