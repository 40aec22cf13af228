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
_SETTLE_S = 1.0
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

    def wait_for_publisher(self, topic: str, *, timeout_s: float) -> bool:
        """Wait until somebody else publishes a topic; whether somebody does."""
        end = time.monotonic() + timeout_s
        while not self.count_publishers(self.resolve_topic_name(topic)):
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_S)
        return True

    def wait_for_subscribers(
        self, topics: Sequence[str], *, timeout_s: float, settle_s: float = 0.0
    ) -> bool:
        """Wait until somebody listens.

        Args:
            topics: At least one of these must be listened to; those not played do not count.
            timeout_s: How long to wait.
            settle_s: Go on until nobody new has come for so long, to any topic: nodes launched
                together do not come up together.

        Returns:
            False if nobody listens to any of them when the time is over.
        """
        wanted = [one for topic, one in self._publishers_by_topic.items() if topic in topics]
        start = last_change = time.monotonic()
        num_before = 0
        while (now := time.monotonic()) - start < timeout_s:
            num = sum(one.get_subscription_count() for one in self._publishers_by_topic.values())
            if num != num_before:
                num_before, last_change = num, now
            is_heard = any(one.get_subscription_count() for one in wanted)
            if is_heard and now - last_change >= settle_s:
                return True
            time.sleep(_POLL_S)
        return False

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
    wait_for: str = "",
) -> int:
    """Play a recording from a process of its own; returns the exit code at its end.

    Args:
        path: The recording.
        rate: Speed.
        topics: Topics to play; all that can be if empty.
        loop: Begin again at the end.
        wait: Begin when somebody listens to the clouds (to any image if there are none), after
            30 s at the latest.
        wait_for: Before that, wait until somebody publishes this topic, 30 s at most: the end of
            a chain comes up last, and what it misses at the start is missing from the result.

    Raises:
        PerceptionError: the recording cannot be read or played.
    """
    reader = BagReader(path)
    rclpy.init(args=[])
    try:
        player = Player(reader, topics=topics, rate=rate)
        if wait_for and not player.wait_for_publisher(wait_for, timeout_s=_WAIT_S):
            text = f"nobody publishes '{wait_for}' after {_WAIT_S:.0f} s; playing all the same"
            player.get_logger().warning(text)
        if wait and (leading := _leading(reader, topics)):
            _wait(player, leading)
        while True:
            num = player.play()
            player.get_logger().info(f"played {num} messages of {path}")
            if not loop:
                return 0
    finally:
        rclpy.try_shutdown()


def _wait(player: Player, leading: Sequence[str]) -> None:
    if not player.wait_for_subscribers(leading, timeout_s=_WAIT_S, settle_s=_SETTLE_S):
        text = f"nobody listens to {' or '.join(leading)}; playing all the same"
        player.get_logger().warning(text)


def _leading(reader: BagReader, topics: Sequence[str]) -> list[str]:
    for wanted in _LEADING_TYPES:
        of_kind = [topic for topic, kind in reader.topics.items() if kind == wanted]
        if leading := [topic for topic in of_kind if not topics or topic in topics]:
            return leading
    return []
