"""Quality of service by kind of topic (REP 2003); each can be overridden by parameter.

Sensor data is best effort so that a slow reader never holds up a driver; results are reliable;
what is said once is kept for those who come later.
"""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from perception_stack.errors import ConfigError, UnknownParameterError

SENSOR = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=5,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)
RESULT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


_CHOICES = {
    "history": ("keep_last", "keep_all", "system_default"),
    "reliability": ("reliable", "best_effort", "system_default"),
}
_POLICIES = (*_CHOICES, "depth")
_ENTITIES = ("publisher", "subscription")


def overridable() -> QoSOverridingOptions:
    """Options that declare ``qos_overrides.<topic>.<publisher|subscription>.*`` parameters."""
    return QoSOverridingOptions.with_default_policies()


def check_overrides(node: Node) -> None:
    """Refuse overrides that rclpy would pass over without a word or choke on.

    Topics are not checked: one parameter file serves nodes that have different ones.

    Args:
        node: Made with ``automatically_declare_parameters_from_overrides=True``.

    Raises:
        UnknownParameterError: no such policy, or neither publisher nor subscription.
        ConfigError: a value that the policy cannot have.
    """
    for name, parameter in node.get_parameters_by_prefix("qos_overrides").items():
        where, value = f"{node.get_name()}: qos_overrides.{name}", parameter.value
        _, entity, policy = f"..{name}".rsplit(".", 2)
        if entity not in _ENTITIES:
            raise UnknownParameterError(entity, _ENTITIES, where=where)
        if policy not in _POLICIES:
            raise UnknownParameterError(policy, _POLICIES, where=where)
        choices = _CHOICES.get(policy)
        if choices is None:
            if type(value) is not int or value < 1:
                raise ConfigError(f"{where}: expected a number from 1 on, got {value!r}")
        elif value not in choices:
            raise ConfigError(f"{where}: {value!r} is not one of {', '.join(choices)}")
