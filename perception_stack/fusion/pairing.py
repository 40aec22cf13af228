"""The synchroniser: each message of a reference stream with its partners of other streams.

It has no clock and calls nobody: messages go in, finished sets come out, and both the nodes and
the offline tools use it. **Which sets come out depends on the messages alone.** As long as no time
runs out, no queue overflows and no stamp jumps back, any two arrival orders that keep the order
within each stream give the same sequence of sets. The rules that make it so:

* A message that is not newer than its own stream's newest is late, whatever the others do.
* A reference at ``t`` is finished when each expected companion stream has reached ``t``, or half
  of its least period before. Stamps within a stream rise by at least that, so from then on
  nothing nearer to ``t`` can come.
* Its partner is then the nearest message within the tolerance, of two equally near ones the
  earlier. One message may serve several references; a tolerance below half the reference
  period excludes that.
* A companion that is not expected is neither waited for nor used.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from perception_stack.errors import ConfigError
from perception_stack.journal import Journal, Reason

_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A stream whose messages are looked for near each reference.

    Attributes:
        name: Name of the stream.
        tolerance_s: Largest difference of stamps within a pair, inclusive.
        offset_s: Added to the stream's stamps before comparing; e.g. the camera's offset where a
            LiDAR leads, but not where its own depth images lead.
        least_period_s: What two messages of the stream are apart at least; 0 where nobody knows.
    """

    name: str
    tolerance_s: float
    offset_s: float = 0.0
    least_period_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedSet:
    """A reference message and its partners.

    Attributes:
        stamp_ns: Stamp of the reference.
        reference: The reference message.
        companions: For each companion stream its message, None where there is none.
    """

    stamp_ns: int
    reference: Any
    companions: dict[str, Any | None]


@dataclass(slots=True)
class _Message:
    item: Any
    arrival_ns: int
    used: bool = False


@dataclass(slots=True)
class _Queue:
    """Waiting messages of one stream by rising stamp, and the newest stamp ever seen."""

    tolerance_ns: int = 0
    offset_ns: int = 0
    least_period_ns: int = 0
    expected: bool = True
    newest_ns: int | None = None
    stamps_ns: list[int] = field(default_factory=list)
    messages: list[_Message] = field(default_factory=list)

    def append(self, stamp_ns: int, message: _Message) -> None:
        self.newest_ns = stamp_ns
        self.stamps_ns.append(stamp_ns)
        self.messages.append(message)

    def drop_first(self, num: int) -> list[int]:
        """Let the oldest go; the stamps of those that nobody used."""
        unused = [
            stamp_ns
            for stamp_ns, message in zip(self.stamps_ns[:num], self.messages[:num], strict=True)
            if not message.used
        ]
        del self.stamps_ns[:num], self.messages[:num]
        return unused

    def keep_first(self, num: int) -> int:
        """Let the newest go; how many those are."""
        num_gone = len(self.stamps_ns) - num
        del self.stamps_ns[num:], self.messages[num:]
        return num_gone

    def nearest(self, stamp_ns: int) -> int | None:
        """Index of the message nearest to a stamp, the earlier of two equally near ones."""
        after = bisect_left(self.stamps_ns, stamp_ns)
        around = [i for i in (after - 1, after) if 0 <= i < len(self.stamps_ns)]
        return min(around, key=lambda i: abs(self.stamps_ns[i] - stamp_ns), default=None)


class Pairing:
    """Pairs one reference stream with any number of companion streams.

    Args:
        reference: Name of the stream that sets the pace: one set per message.
        companions: The streams whose messages are looked for.
        timeout_s: How long after its arrival a reference may wait; see :meth:`expire`.
        queue_size: Messages kept of each stream. A reference pushed out is not lost: it comes out
            with the partners there are.
        reset_s: A stream whose stamp falls back by more than this starts anew, and what the other
            streams hold that is newer by more than this is cleared; waiting references come out.
        journal: Gets a reason for every partner that is missing and every message dropped.

    Raises:
        ConfigError: two streams of the same name.
    """

    def __init__(
        self,
        reference: str,
        companions: Sequence[Companion],
        *,
        timeout_s: float,
        queue_size: int,
        reset_s: float,
        journal: Journal,
    ) -> None:
        self._reference = reference
        self._references = _Queue()
        self._released_ns: int | None = None
        self._companions = {
            one.name: _Queue(
                tolerance_ns=round(one.tolerance_s * _S),
                offset_ns=round(one.offset_s * _S),
                least_period_ns=round(one.least_period_s * _S),
            )
            for one in companions
        }
        self._queues = {reference: self._references, **self._companions}
        if len(self._queues) != 1 + len(companions):
            raise ConfigError(f"two streams of the same name: {reference}, {companions}")
        self._timeout_ns = round(timeout_s * _S)
        self._reset_ns = round(reset_s * _S)
        self._queue_size = queue_size
        self._journal = journal

    def expect(self, companion: str, expected: bool) -> None:
        """Say whether a companion stream exists; all are expected at first.

        Raises:
            KeyError: no such companion.
        """
        self._companions[companion].expected = expected

    def push(self, stream: str, stamp_ns: int, item: Any, *, arrival_ns: int) -> list[PairedSet]:
        """Take one message in.

        Args:
            stream: Name of its stream.
            stamp_ns: Its sensor stamp.
            item: The message; handed back as it is.
            arrival_ns: When it came, on the clock of :meth:`expire`.

        Returns:
            The sets that are finished now, by rising stamp.

        Raises:
            KeyError: no such stream.
        """
        queue = self._queues[stream]
        stamp_ns += queue.offset_ns
        done: list[PairedSet] = []
        if queue.newest_ns is not None and stamp_ns <= queue.newest_ns:
            behind_ms = (queue.newest_ns - stamp_ns) / 1e6
            detail = f"{stream}: {behind_ms:.1f} ms behind its newest"
            if stamp_ns >= queue.newest_ns - self._reset_ns:
                self._journal.count(Reason.STALE_STAMP, stamp_ns=stamp_ns, detail=detail)
                return []
            released, num_cleared = self._start_anew(queue, stamp_ns)
            detail += f", {num_cleared} waiting messages cleared"
            self._journal.count(Reason.STAMP_JUMP, stamp_ns=stamp_ns, detail=detail)
            done += released
        queue.append(stamp_ns, _Message(item, arrival_ns))
        done += self._finished()
        if len(queue.stamps_ns) > self._queue_size:
            # where no reference has ever come, nobody has asked for its partners
            if self._references.newest_ns is not None:
                detail = f"{stream}: more than {self._queue_size} waiting"
                self._journal.count(Reason.QUEUE_FULL, stamp_ns=queue.stamps_ns[0], detail=detail)
            if queue is self._references:
                done.append(self._release())
                done += self._finished()
            else:
                queue.drop_first(1)
        return done

    def expire(self, now_ns: int) -> list[PairedSet]:
        """The references that have waited too long, with the partners there are.

        Args:
            now_ns: Present time, on the clock of the arrivals.
        """
        done = self._finished()  # of what is not expected any more
        while (waiting := self._references.messages) and (
            now_ns - waiting[0].arrival_ns >= self._timeout_ns
        ):
            waited_ms = (now_ns - waiting[0].arrival_ns) / 1e6
            done.append(self._release(waited=f" after {waited_ms:.1f} ms"))
            # those behind it may have waited for the order only
            done += self._finished()
        return done

    def flush(self) -> list[PairedSet]:
        """All references that still wait, with the partners there are: nothing more will come."""
        return [self._release() for _ in range(len(self._references.messages))]

    def _finished(self) -> list[PairedSet]:
        """Release references from the front for as long as they have nothing to wait for."""
        done = []
        references = self._references
        while references.stamps_ns and not any(
            _open(queue, references.stamps_ns[0]) for queue in self._companions.values()
        ):
            done.append(self._release())
        self._forget()
        return done

    def _release(self, *, waited: str = "") -> PairedSet:
        """Take the first reference out and choose its partners."""
        stamp_ns = self._references.stamps_ns.pop(0)
        message = self._references.messages.pop(0)
        self._released_ns = stamp_ns
        partners = {
            name: self._partner(name, stamp_ns, waited=waited) if queue.expected else None
            for name, queue in self._companions.items()
        }
        return PairedSet(stamp_ns=stamp_ns, reference=message.item, companions=partners)

    def _partner(self, name: str, stamp_ns: int, *, waited: str) -> Any | None:
        queue = self._companions[name]
        reason = Reason.SYNC_TIMEOUT if waited and _open(queue, stamp_ns) else Reason.SYNC_MISS
        index = queue.nearest(stamp_ns)
        detail = f"{name}: none there{waited}"
        if index is not None:
            gap_ns = queue.stamps_ns[index] - stamp_ns
            if abs(gap_ns) <= queue.tolerance_ns:
                queue.messages[index].used = True
                return queue.messages[index].item
            tolerance_ms = queue.tolerance_ns / 1e6
            gap = f"gap {gap_ns / 1e6:+.1f} ms, tolerance {tolerance_ms:.1f} ms"
            detail = f"{name}: {gap}{waited}"
        self._journal.count(reason, stamp_ns=stamp_ns, detail=detail)
        return None

    def _forget(self) -> None:
        """Let companions go that no reference, waiting or to come, can have as its nearest."""
        references = self._references
        oldest_ns = references.stamps_ns[0] if references.stamps_ns else references.newest_ns
        if oldest_ns is None:
            return
        for name, queue in self._companions.items():
            # of those not after the oldest reference only the last one can be nearest
            first = bisect_left(queue.stamps_ns, oldest_ns + 1) - 1
            if first > 0 and (unused := queue.drop_first(first)):
                near = (oldest_ns, self._released_ns or oldest_ns)
                gap_ms = min(abs(unused[-1] - one) for one in near) / 1e6
                detail = (
                    f"{name}: {len(unused)} that no {self._reference} message is nearest to, "
                    f"the last one {gap_ms:.1f} ms from one"
                )
                self._journal.count(
                    Reason.UNUSED, stamp_ns=unused[-1], detail=detail, num=len(unused)
                )

    def _start_anew(self, jumped: _Queue, stamp_ns: int) -> tuple[list[PairedSet], int]:
        """Clear what is from before a jump back to ``stamp_ns``; waiting references come out.

        Returns:
            The references, and how many messages of companions went.
        """
        limit_ns = stamp_ns + self._reset_ns
        references = self._references
        done, num_cleared = [], 0
        if jumped is references or (references.newest_ns or 0) > limit_ns:
            done = self.flush()
        for queue in self._queues.values():
            # another stream may have jumped before: what it sent since is of the new time
            keep = 0 if queue is jumped else bisect_left(queue.stamps_ns, limit_ns + 1)
            num_cleared += queue.keep_first(keep)
            if queue is jumped or (queue.newest_ns or 0) > limit_ns:
                queue.newest_ns = queue.stamps_ns[-1] if queue.stamps_ns else None
        self._released_ns = None
        return done, num_cleared


def _open(queue: _Queue, stamp_ns: int) -> bool:
    """Whether a better partner for ``stamp_ns`` may still come on this stream."""
    if not queue.expected or queue.newest_ns is None:
        return queue.expected
    return 2 * (stamp_ns - queue.newest_ns) > queue.least_period_ns
