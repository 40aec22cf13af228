"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

_ROOT = Path(__file__).resolve().parent.parent
_TIMEOUT_S = 30.0

# CI must say the same of the same code: there the examples are always the same ones. Elsewhere
# every run looks at new ones.
settings.register_profile("new", deadline=None)
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same" if os.environ.get("CI") else "new")

# The pytest plugin of launch, on every computer with ROS, makes loggers that pass nothing on to
# the root: our warnings would not reach caplog.
logging.setLoggerClass(logging.Logger)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real sensor data; the test is skipped where it is absent."""
    path = Path(os.environ.get("PERCEPTION_STACK_DATA") or _ROOT.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"no data at {path}; set PERCEPTION_STACK_DATA to its folder")
    return path


class Bench:
    """A node that talks to nodes under test and listens, with events instead of sleeps.

    The nodes run in this process (:meth:`start`) or elsewhere in the domain :attr:`domain_id`.
    """

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node

        # by process, so that sessions side by side do not hear each other
        self.domain_id = 101 + os.getpid() % 100
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=self.domain_id)
        self.executor = SingleThreadedExecutor(context=self.context)
        self._nodes: list[Any] = []
        self.peer = self.add(Node("peer", context=self.context))

    def add(self, node: Any) -> Any:
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def start(self, kind: type, *args: str, **parameters: Any) -> Any:
        """A node under test.

        Args:
            kind: Its class.
            *args: ROS arguments, such as ``--params-file`` and a path.
            **parameters: Parameter overrides; two underscores stand for the dot.
        """
        from rclpy.parameter import Parameter

        overrides = [
            Parameter(name.replace("__", "."), value=value) for name, value in parameters.items()
        ]
        cli_args = ["--ros-args", *args] if args else None
        return self.add(
            kind(context=self.context, parameter_overrides=overrides, cli_args=cli_args)
        )

    def hear(self, msg_type: Any, topic: str, *, latched: bool = False) -> list[Any]:
        """Every message of a topic from now on, whoever sends it and when, in a growing list."""
        from rclpy.qos import DurabilityPolicy, QoSProfile

        received: list[Any] = []
        qos = QoSProfile(depth=100)
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        self.peer.create_subscription(msg_type, topic, received.append, qos)
        return received

    def listen(self, msg_type: Any, topic: str, *, latched: bool = False) -> list[Any]:
        """As :meth:`hear`, of somebody who is there."""
        received = self.hear(msg_type, topic, latched=latched)
        self.until(lambda: self.peer.count_publishers(topic) > 0, f"a publisher of {topic}")
        return received

    def talk(
        self, msg_type: Any, topic: str, *, latched: bool = False, best_effort: bool = False
    ) -> Any:
        """A publisher that somebody already listens to, if anybody can (``best_effort``)."""
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

        qos = QoSProfile(depth=100)
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        if best_effort:
            qos.reliability = ReliabilityPolicy.BEST_EFFORT
        publisher = self.peer.create_publisher(msg_type, topic, qos)
        if not best_effort:
            self.until(lambda: publisher.get_subscription_count() > 0, f"a subscriber of {topic}")
        return publisher

    def until(
        self, done: Callable[[], Any], what: str, *, failed: Callable[[], str] = lambda: ""
    ) -> None:
        """Spin until something holds.

        Args:
            done: Whether it holds.
            what: Said when it never does.
            failed: Why there is no hope, if so.
        """
        end = time.monotonic() + _TIMEOUT_S
        while not done():
            assert time.monotonic() < end, f"waited {_TIMEOUT_S} s for {what}"
            assert not failed(), f"{failed()}\nwhile waiting for {what}"
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        for node in self._nodes:
            node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def bench() -> Iterator[Bench]:
    """ROS for this test alone; the test is skipped where ROS or our messages are absent."""
    pytest.importorskip("rclpy")
    pytest.importorskip("perception_stack.msg")
    one = Bench()
    yield one
    one.close()
