"""The base of all filters, the filter at the head of every chain, and stamps of messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import ROSClock
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.time import Time


class SimpleFilter:
    """Something with an output that others can register for."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., None], tuple[Any, ...]]] = {}

    def registerCallback(self, cb: Callable[..., None], *args: Any) -> int:  # noqa: N802
        """Call ``cb(*output, *args)`` for every output from now on; returns its number."""
        number = len(self.callbacks)
        self.callbacks[number] = (cb, args)
        return number

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802
        """Hand an output to all callbacks, in the order in which they were registered."""
        for callback, args in list(self.callbacks.values()):
            callback(*msg, *args)


class Subscriber(SimpleFilter):
    """Hands on the messages of a topic.

    Args:
        node: Node to subscribe with.
        msg_type: Class of the messages.
        topic: Name of the topic.
        kwargs: As of ``Node.create_subscription``; the QoS defaults to a reliable queue of 10.
    """

    def __init__(self, node: Node, msg_type: type, topic: str, **kwargs: Any) -> None:
        super().__init__()
        self.node = node
        self.topic = topic
        kwargs.setdefault("qos_profile", 10)
        self.sub = node.create_subscription(msg_type, topic, self.callback, **kwargs)

    def callback(self, msg: Any) -> None:
        """Take a message of the topic."""
        self.signalMessage(msg)

    def getTopic(self) -> str:  # noqa: N802
        """Name of the topic as it was given."""
        return self.topic

    def __getattr__(self, name: str) -> Any:
        if name == "sub":
            raise AttributeError(name)
        return getattr(self.sub, name)


def stamp_of(msg: Any, *, allow_headerless: bool, logger_name: str) -> Time | None:
    """Stamp of a message.

    Args:
        msg: Any message; its stamp may be a message or an ``rclpy.time.Time``.
        allow_headerless: Whether messages without a stamp get the time now.
        logger_name: Who warns about messages without a stamp.

    Returns:
        None for a message without a stamp where those are not allowed.
    """
    stamp = getattr(getattr(msg, "header", None), "stamp", None)
    if stamp is not None:
        return stamp if hasattr(stamp, "nanoseconds") else Time.from_msg(stamp)
    if allow_headerless:
        return ROSClock().now()
    get_logger(logger_name).warning(
        f"{type(msg).__name__} has no header.stamp and is dropped; "
        "with allow_headerless it would get the time of its arrival"
    )
    return None
