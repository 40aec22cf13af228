"""What was dropped on the way and why: the journals of all steps, as one list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from perception_stack.errors import DecodeError
from perception_stack.journal import Journal, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """What one step dropped for one reason.

    Attributes:
        step: Name of the step.
        reason: Reason code.
        count: How many frames, boxes, points …
        stamp_ns: Stamp of the newest case.
        detail: The numbers behind the newest case.
    """

    step: str
    reason: Reason
    count: int
    stamp_ns: int
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """Values for JSON, with the text of the reason."""
        return {**asdict(self), "reason": self.reason.value, "text": self.reason.text}


def drops_of(journals: Mapping[str, Journal]) -> tuple[Drop, ...]:
    """Everything the journals hold, by step and reason.

    Args:
        journals: The journal of each step by its name.
    """
    return tuple(
        Drop(step=step, reason=reason, count=count, **asdict(journal.last(reason)))
        for step, journal in journals.items()
        for reason, count in journal.counts.items()
    )


def drops_from_json(content: Mapping[str, Any]) -> tuple[Drop, ...]:
    """The drops of a journal file: step, reason code, then count and newest case.

    Args:
        content: ``{step: {reason: {"count": …, "stamp_ns": …, "detail": …}}}``.

    Raises:
        DecodeError: another layout, or an unknown reason code.
    """
    known = {reason.value: reason for reason in Reason}
    try:
        return tuple(
            Drop(
                step=str(step),
                reason=known[code],
                count=int(case["count"]),
                stamp_ns=int(case["stamp_ns"]),
                detail=str(case["detail"]),
            )
            for step, cases in content.items()
            for code, case in cases.items()
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DecodeError(f"not the content of a journal: {error!r}") from error
