"""Counts and their newest case."""

from __future__ import annotations

import pytest

from perception_stack import errors
from perception_stack.journal import Journal, Reason


def test_counts_add_up_in_the_order_of_the_codes() -> None:
    journal = Journal()
    journal.count(Reason.SYNC_MISS, stamp_ns=1, detail="gap 80 ms")
    journal.count(Reason.EMPTY_CLOUD, stamp_ns=2, detail="0 points")
    journal.count(Reason.SYNC_MISS, stamp_ns=3, detail="gap 90 ms", num=2)
    assert list(journal.counts.items()) == [(Reason.EMPTY_CLOUD, 1), (Reason.SYNC_MISS, 3)]
    assert journal.last(Reason.SYNC_MISS).detail == "gap 90 ms"
    assert journal.last(Reason.SYNC_MISS).stamp_ns == 3


def test_nothing_dropped_is_nothing_noted() -> None:
    journal = Journal()
    journal.count(Reason.BELOW_THRESHOLD, stamp_ns=1, detail="", num=0)
    assert journal.counts == {}
    with pytest.raises(KeyError):
        journal.last(Reason.BELOW_THRESHOLD)


def subclasses(kind: type) -> list[type]:
    return [kind, *(deep for one in kind.__subclasses__() for deep in subclasses(one))]


@pytest.mark.parametrize("error", subclasses(errors.PerceptionError))
def test_every_error_has_a_reason_with_a_text(error: type[errors.PerceptionError]) -> None:
    assert len(Reason(error.reason).text) > 10
