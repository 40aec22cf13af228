"""Nodes in this process, in a ROS domain of their own, with events instead of sleeps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# no launch and no environment file needed: skipped where ROS or our messages are absent
pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile

_TIMEOUT_S = 20.0


class Bench:
    """Holds nodes under test and one node that talks to them and listens."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        domain_id = 101 + os.getpid() % 100
        rclpy.init(args=[], context=self.context, domain_id=domain_id)
        self.executor = SingleThreadedExecutor(context=self.context)
        self._nodes: list[Node] = []
        self.peer = self.add(Node("peer", context=self.context))

    def add(self, node: Node) -> Node:
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def start(self, kind: type[Node], **parameters: Any) -> Node:
        """A node under test with parameter overrides; two underscores stand for the dot."""
        overrides = [
            Parameter(name.replace("__", "."), value=value) for name, value in parameters.items()
        ]
        return self.add(kind(context=self.context, parameter_overrides=overrides))

    def listen(self, msg_type: Any, topic: str, *, latched: bool = False) -> list[Any]:
        """Every message of a topic from now on, in a list that grows."""
        received: list[Any] = []
        qos = QoSProfile(depth=100)
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        self.peer.create_subscription(msg_type, topic, received.append, qos)
        self.until(lambda: self.peer.count_publishers(topic) > 0, f"a publisher of {topic}")
        return received

    def talk(self, msg_type: Any, topic: str, *, latched: bool = False) -> Publisher:
        """A publisher that somebody already listens to."""
        qos = QoSProfile(depth=100)
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        publisher = self.peer.create_publisher(msg_type, topic, qos)
        self.until(lambda: publisher.get_subscription_count() > 0, f"a subscriber of {topic}")
        return publisher

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Spin until something holds."""
        end = time.monotonic() + _TIMEOUT_S
        while not done():
            assert time.monotonic() < end, f"waited {_TIMEOUT_S} s for {what}"
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        for node in self._nodes:
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def bench() -> Iterator[Bench]:
    one = Bench()
    yield one
    one.close()
