from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.errors import ConfigError
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.pairing import Companion, PairedSet, Pairing
from perception_stack.journal import Journal, Reason

MS = 1_000_000


def pairing(
    journal: Journal | None = None, *, offset_ms: float = 0, queue_size: int = 10
) -> Pairing:
    return Pairing(
        "clusters",
        [Companion(name="detections", tolerance_s=0.02, offset_s=offset_ms / 1e3)],
        timeout_s=0.3,
        queue_size=queue_size,
        reset_s=1.0,
        journal=journal or Journal(),
    )


def feed(sync: Pairing, *messages: tuple[str, float]) -> list[PairedSet]:
    """Push messages of (stream, stamp in ms) that arrive at their stamp."""
    done = []
    for stream, stamp_ms in messages:
        stamp_ns = round(stamp_ms * MS)
        done += sync.push(stream, stamp_ns, f"{stream}@{stamp_ms}", arrival_ns=stamp_ns)
    return done


def partners(done: list[PairedSet]) -> list[tuple[str, str | None]]:
    return [(one.reference, one.companions["detections"]) for one in done]


C, D = "clusters", "detections"


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([(C, 100), (D, 100)], [(100, 100)], id="equal"),
        pytest.param([(D, 100), (C, 100)], [(100, 100)], id="equal_companion_first"),
        pytest.param([(C, 100), (D, 95)], [], id="earlier_partner_may_be_beaten"),
        pytest.param([(C, 100), (D, 95), (D, 128)], [(100, 95)], id="earlier_partner_nearest"),
        pytest.param([(C, 100), (D, 95), (D, 102)], [(100, 102)], id="later_partner_nearest"),
        pytest.param([(C, 100), (D, 95), (D, 105)], [(100, 95)], id="tie_goes_to_the_earlier"),
        pytest.param([(C, 100), (D, 120)], [(100, 120)], id="tolerance_is_inclusive"),
        pytest.param([(C, 100), (D, 121)], [(100, None)], id="miss_is_certain_at_once"),
        pytest.param([(C, 100), (C, 200), (D, 200)], [(100, None), (200, 200)], id="one_lost"),
        pytest.param([(C, 100), (C, 110), (D, 112)], [(100, 112), (110, 112)], id="serves_two"),
    ],
)
def test_partner(
    messages: list[tuple[str, float]], expected: list[tuple[int, int | None]]
) -> None:
    text = [(f"{C}@{c}", None if d is None else f"{D}@{d}") for c, d in expected]
    assert partners(feed(pairing(), *messages)) == text


def test_offset_is_added_to_companion_stamps() -> None:
    done = feed(pairing(offset_ms=30), (D, 70), (C, 100))
    assert partners(done) == [("clusters@100", "detections@70")]


def test_miss_tells_the_measured_gap() -> None:
    journal = Journal()
    feed(pairing(journal), (C, 100), (D, 183))
    assert journal.counts == {Reason.SYNC_MISS: 1}
    assert journal.last(Reason.SYNC_MISS).detail == ("detections: gap +83.0 ms, tolerance 20.0 ms")


def test_half_a_second_is_no_partner() -> None:
    """A peer pairs whatever lies within 0.5 s."""
    assert FusionConfig().tolerance_s < 0.05
    sync = pairing()
    done = feed(sync, (D, 100), (C, 550), (D, 600))
    assert partners(done) == [("clusters@550", None)]


def test_timeout_goes_on_without() -> None:
    journal = Journal()
    sync = pairing(journal)
    assert feed(sync, (C, 100), (C, 200)) == []
    assert sync.expire(399 * MS) == []
    assert partners(sync.expire(400 * MS)) == [("clusters@100", None)]
    assert partners(sync.expire(900 * MS)) == [("clusters@200", None)]
    assert journal.counts == {Reason.SYNC_TIMEOUT: 2}
    assert "none there after 700.0 ms" in journal.last(Reason.SYNC_TIMEOUT).detail


def test_timeout_takes_the_near_partner_there_is() -> None:
    journal = Journal()
    sync = pairing(journal)
    feed(sync, (D, 95), (C, 100))
    assert partners(sync.expire(500 * MS)) == [("clusters@100", "detections@95")]
    assert journal.counts == {}


def test_companion_not_expected_is_not_waited_for() -> None:
    journal = Journal()
    sync = pairing(journal)
    sync.expect(D, False)
    assert partners(feed(sync, (C, 100), (C, 200))) == [
        ("clusters@100", None),
        ("clusters@200", None),
    ]
    assert journal.counts == {}
    sync.expect(D, True)
    assert partners(feed(sync, (C, 300), (D, 300))) == [("clusters@300", "detections@300")]


def test_late_and_repeated_stamps_are_dropped() -> None:
    journal = Journal()
    done = feed(pairing(journal), (C, 100), (D, 100), (C, 100), (D, 90), (C, 60))
    assert len(done) == 1
    assert journal.counts == {Reason.STALE_STAMP: 3}
    assert journal.last(Reason.STALE_STAMP).detail == "clusters: 40.0 ms behind its newest"


def test_full_queue_lets_references_out_and_companions_go() -> None:
    journal = Journal()
    sync = pairing(journal, queue_size=2)
    assert partners(feed(sync, (C, 100), (C, 200), (C, 300))) == [("clusters@100", None)]
    assert journal.counts == {Reason.SYNC_MISS: 1, Reason.QUEUE_FULL: 1}


def test_companions_pile_up_unless_nobody_ever_asked_for_them() -> None:
    journal = Journal()
    asked = pairing(journal, queue_size=2)
    assert partners(feed(asked, (C, 100), (D, 100), (D, 200), (D, 300), (D, 400))) == [
        ("clusters@100", "detections@100")
    ]
    assert journal.counts == {Reason.QUEUE_FULL: 2}

    journal = Journal()
    silent = pairing(journal, queue_size=2)
    assert feed(silent, (D, 100), (D, 200), (D, 300)) == []
    assert journal.counts == {}


def test_unused_companions_are_counted_with_their_gap() -> None:
    journal = Journal()
    sync = pairing(journal)
    feed(sync, *[(D, 33 * i) for i in range(10)], *[(C, 100 * i) for i in range(3)])
    # at 0, 99 and 198 used; 33, 66, 132, 165 let go; 231 and on may still be needed
    assert journal.counts == {Reason.UNUSED: 4}
    assert journal.last(Reason.UNUSED).detail == (
        "detections: 2 that no clusters message is nearest to, the last one 35.0 ms from one"
    )


def test_what_a_jump_clears_is_counted() -> None:
    journal = Journal()
    feed(pairing(journal), (D, 9_000), (D, 9_100), (C, 100), (D, 100))
    assert journal.counts[Reason.STAMP_JUMP] == 1
    assert journal.last(Reason.STAMP_JUMP).detail.endswith("2 waiting messages cleared")


@pytest.mark.parametrize("first", [C, D])
def test_bag_that_starts_over(first: str) -> None:
    journal = Journal()
    sync = pairing(journal)
    second = D if first == C else C
    done = feed(sync, *[(s, 9_000 + 100 * i) for i in range(3) for s in (C, D)], (C, 9_300))
    assert len(done) == 3
    done = feed(sync, (first, 0), (second, 0), (first, 100), (second, 100))
    assert partners(done) == [
        ("clusters@9300", None),
        ("clusters@0", "detections@0"),
        ("clusters@100", "detections@100"),
    ]
    assert journal.counts[Reason.STAMP_JUMP] >= 1


def test_flush_lets_everything_out_in_order() -> None:
    sync = pairing()
    assert feed(sync, (C, 100), (C, 200), (D, 95)) == []
    assert partners(sync.flush()) == [("clusters@100", "detections@95"), ("clusters@200", None)]
    assert sync.flush() == []


def test_repeated_name_is_refused() -> None:
    companions = [Companion(name=C, tolerance_s=0.1)]
    with pytest.raises(ConfigError, match="same name"):
        Pairing(C, companions, timeout_s=1, queue_size=1, reset_s=1, journal=Journal())


stamps = st.lists(st.integers(0, 400), unique=True, max_size=15).map(sorted)


@settings(max_examples=200, deadline=None)
@given(streams=st.tuples(stamps, stamps, stamps), data=st.data())
def test_output_does_not_depend_on_the_interleaving(
    streams: tuple[list[int], list[int], list[int]], data: st.DataObject
) -> None:
    names = ("clusters", "left", "right")
    queue_of = dict(zip(names, streams, strict=True))
    slots = [name for name in names for _ in queue_of[name]]
    outputs, journals = [], []
    for _ in range(2):
        journal = Journal()
        companions = [
            Companion(name="left", tolerance_s=0.02),
            Companion(name="right", tolerance_s=0.05, offset_s=0.013),
        ]
        sync = Pairing(C, companions, timeout_s=1, queue_size=50, reset_s=10, journal=journal)
        waiting = {name: iter(queue_of[name]) for name in names}
        done = []
        for name in data.draw(st.permutations(slots)):
            stamp = next(waiting[name])
            done += sync.push(name, stamp * MS, (name, stamp), arrival_ns=0)
        outputs.append(done + sync.flush())
        journals.append(journal.counts)
    assert outputs[0] == outputs[1]
    assert journals[0] == journals[1]
    assert [one.stamp_ns // MS for one in outputs[0]] == streams[0]
    for one in outputs[0]:
        best = min(
            (abs(s * MS - one.stamp_ns) for s in streams[1]), default=10**12
        )  # brute force over all of the stream
        chosen = one.companions["left"]
        assert (chosen is not None) == (best <= 20 * MS)
        if chosen is not None:
            assert abs(chosen[1] * MS - one.stamp_ns) == best
