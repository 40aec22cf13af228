"""A short history of one topic."""

from __future__ import annotations

from collections import deque
from typing import Any

from rclpy.time import Time

from message_filters.filters import SimpleFilter, stamp_of


class Cache(SimpleFilter):
    """Keeps the newest messages of a filter and hands every one on.

    As in the published package, "newest", "oldest", "before" and "after" go by the order of
    arrival, which is that of the stamps for a topic whose stamps rise.

    Args:
        f: Filter to listen to.
        cache_size: Number of messages kept.
        allow_headerless: Give messages without a stamp the time of their arrival instead of
            dropping them.
    """

    def __init__(
        self, f: SimpleFilter, cache_size: int = 1, allow_headerless: bool = False
    ) -> None:
        super().__init__()
        self.cache_size = cache_size
        self.allow_headerless = allow_headerless
        self.cache_msgs: deque[Any] = deque(maxlen=cache_size)
        self.cache_times: deque[Time] = deque(maxlen=cache_size)
        self.connectInput(f)

    def connectInput(self, f: SimpleFilter) -> None:  # noqa: N802
        """Listen to a filter."""
        self.incoming_connection = f.registerCallback(self.add)

    def add(self, msg: Any) -> None:
        """Take a message."""
        stamp = stamp_of(
            msg, allow_headerless=self.allow_headerless, logger_name="message_filters_cache"
        )
        if stamp is None:
            return
        self.cache_msgs.append(msg)
        self.cache_times.append(stamp)
        self.signalMessage(msg)

    def getInterval(self, from_stamp: Time, to_stamp: Time) -> list[Any]:  # noqa: N802
        """Messages with stamps in the closed interval.

        Raises:
            AssertionError: the interval ends before it begins.
        """
        if to_stamp < from_stamp:
            raise AssertionError(f"interval from {from_stamp} to {to_stamp} is reversed")
        return [msg for msg, time in self._items() if from_stamp <= time <= to_stamp]

    def getElemAfterTime(self, stamp: Time) -> Any:  # noqa: N802
        """The oldest message at or after a stamp, None if there is none."""
        return next((msg for msg, time in self._items() if time >= stamp), None)

    def getElemBeforeTime(self, stamp: Time) -> Any:  # noqa: N802
        """The newest message at or before a stamp, None if there is none."""
        return next((msg for msg, time in reversed(self._items()) if time <= stamp), None)

    def getLastestTime(self) -> Time | None:  # noqa: N802
        """Stamp of the newest message (the name is spelt as published)."""
        return self.cache_times[-1] if self.cache_times else None

    def getOldestTime(self) -> Time | None:  # noqa: N802
        """Stamp of the oldest message."""
        return self.cache_times[0] if self.cache_times else None

    def getLast(self) -> Any:  # noqa: N802
        """The first message with the newest stamp, None if there is none."""
        newest = self.getLastestTime()
        return None if newest is None else self.getElemAfterTime(newest)

    def _items(self) -> list[tuple[Any, Time]]:
        return list(zip(self.cache_msgs, self.cache_times, strict=True))
