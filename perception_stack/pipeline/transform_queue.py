"""Waits, in stamp order, until the transform at an item's own stamp is known.

Nothing is looked up at another time than the item's stamp, and a transform that never comes costs
the item, with its reason: the latest transform or the identity would be wrong in silence.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from perception_stack.errors import TransformUnavailableError
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason

T = TypeVar("T")


class TransformQueue(Generic[T]):
    """First-in first-out queue of items that wait for ``target <- item frame``.

    Args:
        frames: Where transforms are looked up.
        journal: Told of every item given up.
        target: Frame to transform to.
        timeout_s: How long an item waits, measured in arrival time.
        capacity: Items that may wait at once; the oldest is given up beyond it.
    """

    def __init__(
        self,
        frames: FrameTree,
        journal: Journal,
        *,
        target: str,
        timeout_s: float,
        capacity: int = 50,
    ) -> None:
        self._frames = frames
        self._journal = journal
        self._target = target
        self._timeout_ns = round(timeout_s * 1e9)
        self._capacity = capacity
        self._waiting: deque[tuple[T, str, int, int]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, item: T, *, frame_id: str, stamp_ns: int, arrival_ns: int) -> None:
        """Let an item wait."""
        if len(self._waiting) == self._capacity:
            _, frame, stamp, _ = self._waiting.popleft()
            detail = f"{self._capacity} items wait for {self._target} <- {frame}"
            self._journal.count(Reason.QUEUE_FULL, stamp_ns=stamp, detail=detail)
        self._waiting.append((item, frame_id, stamp_ns, arrival_ns))

    def clear(self) -> None:
        """Forget every waiting item."""
        self._waiting.clear()

    def ready(self, now_ns: int | None) -> list[tuple[T, RigidTransform]]:
        """Items whose transform is known, oldest first; a waiting item holds back later ones.

        Args:
            now_ns: Arrival time now; None when nothing more will come, so nobody waits.
        """
        done: list[tuple[T, RigidTransform]] = []
        while self._waiting:
            item, frame_id, stamp_ns, arrival_ns = self._waiting[0]
            try:
                done.append((item, self._frames.lookup(self._target, frame_id, stamp_ns)))
            except TransformUnavailableError as error:
                if now_ns is not None and now_ns - arrival_ns < self._timeout_ns:
                    break
                self._journal.count(Reason.NO_TRANSFORM, stamp_ns=stamp_ns, detail=str(error))
            self._waiting.popleft()
        return done
