"""Waits, in stamp order, until the transforms that an item needs are known.

Nothing is looked up at another time than the stamp asked for, and a transform that never comes is
given up with its reason: the latest transform or the identity would be wrong in silence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from perception_stack.errors import TransformUnavailableError
from perception_stack.journal import Journal, Reason

ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")


class TransformQueue(Generic[ItemT, FoundT]):
    """First-in first-out queue of items that wait for transforms.

    Args:
        find: Looks up what an item needs; raises TransformUnavailableError while it is not known.
        journal: Told of every item given up.
        timeout_s: How long an item waits, measured in arrival time.
        capacity: Items that may wait at once; the oldest is given up beyond it.
    """

    def __init__(
        self,
        find: Callable[[ItemT], FoundT],
        journal: Journal,
        *,
        timeout_s: float,
        capacity: int = 50,
    ) -> None:
        self._find = find
        self._journal = journal
        self._timeout_ns = round(timeout_s * 1e9)
        self._capacity = capacity
        self._waiting: deque[tuple[ItemT, int, int]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, item: ItemT, *, stamp_ns: int, arrival_ns: int) -> None:
        """Let an item wait."""
        self._waiting.append((item, stamp_ns, arrival_ns))

    def ready(self, now_ns: int | None) -> list[tuple[ItemT, FoundT | None]]:
        """Items whose transforms are known, oldest first; a waiting item holds back later ones.

        Args:
            now_ns: Arrival time now; None when nothing more will come, so nobody waits.

        Returns:
            Each item with what was found; None for those given up.
        """
        done: list[tuple[ItemT, FoundT | None]] = []
        while self._waiting:
            item, stamp_ns, arrival_ns = self._waiting[0]
            try:
                done.append((item, self._find(item)))
            except TransformUnavailableError as error:
                full = len(self._waiting) > self._capacity
                if not full and now_ns is not None and now_ns - arrival_ns < self._timeout_ns:
                    break
                reason = Reason.QUEUE_FULL if full else Reason.NO_TRANSFORM
                self._journal.count(reason, stamp_ns=stamp_ns, detail=str(error))
                done.append((item, None))
            self._waiting.popleft()
        return done
