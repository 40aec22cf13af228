"""The newest message of each of several topics, for work that takes longer than messages do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perception_stack.io import messages
from perception_stack.journal import Journal, Reason
from perception_stack.ros.step_node import StepNode


class Newest:
    """Keeps the newest message of each name, and hands them over when no more are waiting.

    While a node works, messages queue up in the middleware. The executor takes one of each
    subscription in turn, then looks at what was triggered; so the work begins in the first turn
    in which nothing was taken. What was replaced until then is counted.

    Args:
        node: Whose executor it is.
        work: Gets the newest message by name; of those names only that have one.
        journal: Told of what was replaced.
    """

    def __init__(
        self, node: StepNode, work: Callable[[dict[str, Any]], None], journal: Journal
    ) -> None:
        self._node, self._work, self._journal = node, work, journal
        self._waiting: dict[str, Any] = {}
        self._has_new = False
        self._turn = node.create_guard_condition(self._on_turn)

    def push(self, name: str, message: Any) -> None:
        """A message has come."""
        if (old := self._waiting.pop(name, None)) is not None:
            self._journal.count(
                Reason.SUPERSEDED,
                stamp_ns=messages.stamp_ns(old.header),
                detail=f"a message of '{name}' gave way to the next",
            )
        self._waiting[name] = message
        self._has_new = True
        self._turn.trigger()

    def _on_turn(self) -> None:
        if self._has_new:
            self._has_new = False
            self._turn.trigger()
            return
        waiting, self._waiting = self._waiting, {}
        if waiting:
            with self._node.drop_frame_on_error(", ".join(waiting), next(iter(waiting.values()))):
                self._work(waiting)
