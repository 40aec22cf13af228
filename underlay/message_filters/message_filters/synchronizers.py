"""Filters that put together messages of several topics by their stamps."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rclpy.duration import Duration
from rclpy.time import Time

from message_filters.filters import SimpleFilter, stamp_of


class TimeSynchronizer(SimpleFilter):
    """Hands on one message of each input as soon as all have one with the same stamp.

    Args:
        fs: Filters to listen to; the output has one message of each, in this order.
        queue_size: Messages of each input to keep while they wait; the ones with the oldest
            stamps go first.
    """

    def __init__(self, fs: Sequence[SimpleFilter], queue_size: int) -> None:
        super().__init__()
        self.queue_size = queue_size
        # reentrant, so that a callback may feed the synchroniser it was called by
        self.lock = threading.RLock()
        self.connectInput(fs)

    def connectInput(self, fs: Sequence[SimpleFilter]) -> None:  # noqa: N802
        """Listen to filters, with empty queues."""
        self.queues: list[dict[int, Any]] = [{} for _ in fs]
        self.input_connections = [
            f.registerCallback(self.add, queue, index)
            for index, (f, queue) in enumerate(zip(fs, self.queues, strict=True))
        ]

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int | None = None) -> None:
        """Take a message of one input.

        Raises:
            AttributeError: it has no ``header.stamp``.
        """
        del my_queue_index
        stamp_ns = Time.from_msg(msg.header.stamp).nanoseconds
        with self.lock:
            self._put(msg, my_queue, stamp_ns)
            for common_ns in sorted(set.intersection(*map(set, self.queues))):
                self._hand_on([common_ns] * len(self.queues))

    def _put(self, msg: Any, queue: dict[int, Any], stamp_ns: int) -> None:
        queue[stamp_ns] = msg
        while len(queue) > self.queue_size:
            del queue[min(queue)]

    def _hand_on(self, stamps_ns: Iterable[int]) -> None:
        """Take a set out of the queues before the callbacks see it: they may raise."""
        taken = [
            queue.pop(stamp_ns) for queue, stamp_ns in zip(self.queues, stamps_ns, strict=True)
        ]
        self.signalMessage(*taken)


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Hands on one message of each input as soon as their stamps are near enough.

    Each message that comes in looks for its nearest partners; the spread of a set (newest minus
    oldest stamp) is **less** than the slop. A message is in one set at most.

    Args:
        fs: Filters to listen to; the output has one message of each, in this order.
        queue_size: Messages of each input to keep while they wait; the ones with the oldest
            stamps go first.
        slop: Seconds.
        allow_headerless: Give messages without a stamp the time of their arrival instead of
            dropping them.
    """

    def __init__(
        self,
        fs: Sequence[SimpleFilter],
        queue_size: int,
        slop: float,
        allow_headerless: bool = False,
    ) -> None:
        self.slop = Duration(seconds=slop)
        self.allow_headerless = allow_headerless
        super().__init__(fs, queue_size)

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int | None = None) -> None:
        """Take a message of one input."""
        stamp = stamp_of(
            msg, allow_headerless=self.allow_headerless, logger_name="message_filters_approx"
        )
        if stamp is None:
            return
        stamp_ns = stamp.nanoseconds
        with self.lock:
            self._put(msg, my_queue, stamp_ns)
            candidates = [
                [stamp_ns] if index == my_queue_index else self._near(queue, stamp_ns)
                for index, queue in enumerate(self.queues)
            ]
            nearest = next(self._sets(candidates), None)
            if nearest is not None:
                self._hand_on(nearest)

    def _near(self, queue: dict[int, Any], stamp_ns: int) -> list[int]:
        """Stamps within the slop, nearest first, the one that came first of equals."""
        near = [other for other in queue if abs(other - stamp_ns) <= self.slop.nanoseconds]
        return sorted(near, key=lambda other: abs(other - stamp_ns))

    def _sets(self, candidates: list[list[int]]) -> Iterator[tuple[int, ...]]:
        """Sets that hold together, in the order in which the first inputs have their nearest."""
        for stamps_ns in itertools.product(*candidates):
            is_held = all(ns in queue for ns, queue in zip(stamps_ns, self.queues, strict=True))
            if is_held and max(stamps_ns) - min(stamps_ns) < self.slop.nanoseconds:
                yield stamps_ns
