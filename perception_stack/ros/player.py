"""Plays a recording over DDS at its own pace, byte for byte, where ROS has no bag player.

Serialised messages go out as they lie in the recording; nothing is decoded on the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from perception_stack.errors import ConfigError, DataFileError
from perception_stack.io.bags import BagMessage, BagReader
from perception_stack.ros import conversions

_DEPTH = 100
_POLL_S = 0.02
_WAIT_S = 30.0
_LEADING_TYPES = ("sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/Image")
_RELIABLE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE
)
_LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=_DEPTH,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class Player(Node):
    """Publishes the topics of a recording.

    Args:
        reader: The recording.
        topics: Topics to play; all that can be if empty.
        rate: Speed; 2.0 is twice as fast as recorded.
        on_publish: Called before each message goes out.
        node_options: Passed on to :class:`rclpy.node.Node`.

    Raises:
        ConfigError: the rate is not positive.
        DataFileError: nothing in the recording can be played.
    """

    def __init__(
        self,
        reader: BagReader,
        *,
        topics: Sequence[str] = (),
        rate: float = 1.0,
        on_publish: Callable[[BagMessage], None] = lambda _message: None,
        **node_options: Any,
    ) -> None:
        super().__init__("player", **node_options)
        if not rate > 0:
            raise ConfigError(f"rate {rate} is not positive")
        self._reader = reader
        self._rate = rate
        self._on_publish = on_publish
        self._publishers_by_topic: dict[str, Publisher] = {}
        latched = reader.latched | {"/tf_static"}
        for topic, kind in reader.topics.items():
            if topics and topic not in topics:
                continue
            try:
                message_type = conversions.message_type(kind)
            except ImportError:
                self.get_logger().warning(f"not playing '{topic}': type {kind} is not installed")
                continue
            profile = _LATCHED if topic in latched else _RELIABLE
            self._publishers_by_topic[topic] = self.create_publisher(message_type, topic, profile)
        if not self._publishers_by_topic:
            listed = ", ".join(reader.topics) or "nothing"
            raise DataFileError(reader.path, f"no topic to play; it has: {listed}")
        self._clock_publisher: Publisher | None = None
        if "/clock" not in self._publishers_by_topic and (not topics or "/clock" in topics):
            self._clock_publisher = self.create_publisher(Clock, "/clock", _RELIABLE)

    def wait_for_subscribers(self, topics: Sequence[str], *, timeout_s: float) -> tuple[str, ...]:
        """Wait until every one of some topics is listened to by somebody.

        Returns:
            The topics that nobody listens to when the time is over.
        """
        end = time.monotonic() + timeout_s
        while lonely := tuple(
            topic
            for topic in topics
            if not self._publishers_by_topic[topic].get_subscription_count()
        ):
            if time.monotonic() > end:
                return lonely
            time.sleep(_POLL_S)
        return ()

    def play(self) -> int:
        """Play to the end; returns how many messages went out."""
        num = 0
        start_ns: int | None = None
        begin_ns = time.monotonic_ns()
        for message in self._reader.messages(list(self._publishers_by_topic)):
            if start_ns is None:
                start_ns = message.log_time_ns
            due_ns = begin_ns + round((message.log_time_ns - start_ns) / self._rate)
            if (wait_ns := due_ns - time.monotonic_ns()) > 0:
                time.sleep(wait_ns / 1e9)
            if self._clock_publisher is not None:
                now = conversions.time_msg(message.log_time_ns)
                self._clock_publisher.publish(Clock(clock=now))
            self._on_publish(message)
            self._publishers_by_topic[message.topic].publish(message.raw)
            num += 1
        return num


def play_bag(
    path: Path,
    *,
    rate: float = 1.0,
    topics: Sequence[str] = (),
    loop: bool = False,
    wait: bool = False,
) -> int:
    """Play a recording from a process of its own; returns the exit code.

    Args:
        path: The recording.
        rate: Speed.
        topics: Topics to play; all that can be if empty.
        loop: Begin again at the end.
        wait: Begin when somebody listens to the clouds (to the images if there are none), after
            30 s at the latest.

    Raises:
        PerceptionError: the recording cannot be read or played.
    """
    reader = BagReader(path)
    rclpy.init(args=[])
    try:
        player = Player(reader, topics=topics, rate=rate)
        if wait:
            for topic in player.wait_for_subscribers(_leading(reader), timeout_s=_WAIT_S):
                player.get_logger().warning(f"nobody listens to '{topic}'; playing all the same")
        while True:
            num = player.play()
            player.get_logger().info(f"played {num} messages of {path}")
            if not loop:
                return 0
    except KeyboardInterrupt:
        return 130
    finally:
        rclpy.try_shutdown()


def _leading(reader: BagReader) -> list[str]:
    for kind in _LEADING_TYPES:
        if topics := [topic for topic, one in reader.topics.items() if one == kind]:
            return topics
    return []
