"""What every node has: checked parameters, counted drops, diagnostics, a clean end."""

from __future__ import annotations

import faulthandler
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import Any, TypeVar

import message_filters
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, qos_policy_name_from_kind
from rclpy.utilities import remove_ros_args

from perception_stack.config import StepConfig
from perception_stack.errors import ConfigError, PerceptionError
from perception_stack.io import messages
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.config import section_types
from perception_stack.ros import qos
from perception_stack.ros.diagnostics import Diagnostics
from perception_stack.ros.interrupts import interrupt_once
from perception_stack.ros.params import declare_config, refuse_unknown

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

ConfigT = TypeVar("ConfigT", bound=StepConfig)

_WARN_PERIOD_S = 5.0
_TEARDOWN_S = 4.0  # launch loses patience after five


def arrival_ns() -> int:
    """Time of arrival: of this computer, monotonic, independent of stamps and simulated time."""
    return time.monotonic_ns()


class StepNode(Node):
    """Node of one step or of several.

    Args:
        name: Name of the node.
        sections: Parameter sections that this node uses, each the name of a step.
        steps: Steps that the node runs and counts for; the node's own name if None.
        node_options: Passed on to :class:`rclpy.node.Node` (tests: overrides, private context).
    """

    def __init__(
        self,
        name: str,
        sections: tuple[str, ...],
        *,
        steps: tuple[str, ...] | None = None,
        **node_options: Any,
    ) -> None:
        super().__init__(
            name, automatically_declare_parameters_from_overrides=True, **node_options
        )
        types = section_types()
        self.configs = {one: declare_config(self, one, types[one]) for one in sections}
        refuse_unknown(self, types, set(sections))
        qos.check_overrides(self)
        self.journals = {one: Journal() for one in steps or (name,)}
        self.diagnostics = Diagnostics(self, self.journals)
        self._subscribers: list[message_filters.Subscriber] = []
        self._spent_ns: Counter[str] = Counter()

    def config(self, section: str, config_type: type[ConfigT]) -> ConfigT:
        """Parameters of one step."""
        config = self.configs[section]
        if not isinstance(config, config_type):
            raise TypeError(f"section '{section}' is {type(config)}, not {config_type}")
        return config

    def subscribe(
        self,
        msg_type: Any,
        topic: str,
        callback: Callable[[Any], None],
        profile: QoSProfile,
        *,
        raw: bool = False,
    ) -> None:
        """Call back for every message; a message that is bad input is dropped and counted.

        Args:
            msg_type: Class of the messages.
            topic: Name, relative to the namespace.
            callback: Takes a message, or its serialisation.
            profile: Quality of service, unless parameters say otherwise.
            raw: Whether the callback takes the serialisation.
        """

        def guarded(given: Any) -> None:
            with self.drop_frame_on_error(topic, given):
                callback(given)

        subscriber = message_filters.Subscriber(
            self,
            msg_type,
            topic,
            qos_profile=copy(profile),  # rclpy writes overrides into it
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=partial(self._count_incompatible, topic, "publisher")
            ),
            qos_overriding_options=qos.overridable(),
            raw=raw,
        )
        subscriber.registerCallback(guarded)
        self._subscribers.append(subscriber)
        self.diagnostics.watch_input(topic)

    def advertise(self, msg_type: Any, topic: str, profile: QoSProfile) -> Publisher:
        """A publisher whose quality of service can be overridden by parameter."""
        publisher = self.create_publisher(
            msg_type,
            topic,
            copy(profile),
            event_callbacks=PublisherEventCallbacks(
                incompatible_qos=partial(self._count_incompatible, topic, "subscriber")
            ),
            qos_overriding_options=qos.overridable(),
        )
        self.diagnostics.watch_output(publisher)
        return publisher

    def every(self, period_s: float, callback: Callable[[], None]) -> None:
        """Call back in real time, whatever the simulated clock does."""

        def guarded() -> None:
            with self.drop_frame_on_error("what waited", None):
                callback()

        self.create_timer(period_s, guarded, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def has_publisher(self, topic: str) -> bool:
        """Whether anybody sends a topic."""
        return bool(self.count_publishers(self.resolve_topic_name(topic)))

    def _count_incompatible(self, topic: str, who: str, event: Any) -> None:
        """Someone on the other end of a topic was found with whom nothing can be exchanged."""
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        text = f"a {who} of '{topic}' does not fit: {policy} (see qos_overrides)"
        journal = next(iter(self.journals.values()))
        num = event.total_count_change
        journal.count(Reason.QOS_INCOMPATIBLE, stamp_ns=0, detail=text, num=num)
        self.get_logger().warning(text)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add to the processing time of the frame that a step works at."""
        start_ns = time.perf_counter_ns()
        yield
        self._spent_ns[step] += time.perf_counter_ns() - start_ns

    def frames_done(self, step: str, num: int) -> None:
        """Note that frames have come out of a step, with the time spent since the last ones."""
        for _ in range(num):
            self.diagnostics.frame_done(step, self._spent_ns[step] // num)
        if num:
            self._spent_ns[step] = 0

    @contextmanager
    def drop_frame_on_error(self, topic: str, msg: Any) -> Iterator[None]:
        """The one place where bad input ends: counted, said, and nothing else is lost."""
        try:
            yield
        except PerceptionError as error:
            header = getattr(msg, "header", None)
            stamp_ns = 0 if header is None else messages.stamp_ns(header)
            journal = next(iter(self.journals.values()))
            journal.count_error(error, stamp_ns=stamp_ns, where=topic)
            self.get_logger().warning(
                f"dropped a message of '{topic}' at {stamp_ns} ns: {error}",
                throttle_duration_sec=_WARN_PERIOD_S,
            )


def launch_overrides(argv: list[str]) -> list[Parameter]:
    """Parameters given as ``section.name:=value`` behind the executable; empty means not given.

    Launch files pass their arguments on in this way, because a ROS parameter with an empty value
    would hide the value of the parameter file: default < parameter file < launch argument.

    Raises:
        ConfigError: an argument that is not of this form.
    """
    overrides = []
    for one in remove_ros_args(argv)[1:]:
        name, assigned, value = one.partition(":=")
        if not assigned:
            raise ConfigError(f"argument '{one}' is not of the form section.name:=value")
        if value:
            overrides.append(Parameter(name, value=value))
    return overrides


def run(make_node: Callable[..., Node]) -> None:
    """Spin a node until it is told to stop; bad configuration ends it with one clear line."""
    interrupt_once()
    node: Node | None = None
    try:
        _init()
        node = make_node(parameter_overrides=launch_overrides(sys.argv))
        _forward_logging(node)
        # one that was asked only to prepare something has ended by itself
        if node.context.ok():
            rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except PerceptionError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    finally:
        # should the middleware hang in its own teardown, say where and be gone
        faulthandler.dump_traceback_later(_TEARDOWN_S, exit=True)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
        faulthandler.cancel_dump_traceback_later()


def _init() -> None:
    try:
        rclpy.init()
    except RuntimeError as error:
        # rcl names the argument or the line of the parameter file, and then its own lines
        raise ConfigError(str(error).partition(", at /")[0].strip()) from error


class _ToNodeLogger(logging.Handler):
    """Hands the records of the ROS-free core to a node's logger."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


def _forward_logging(node: Node) -> None:
    core = logging.getLogger("perception_stack")
    core.addHandler(_ToNodeLogger(node))
    core.setLevel(logging.INFO)
    core.propagate = False
