"""message_filters: synchronisers with equal, near, late and out-of-order stamps."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy")
message_filters = pytest.importorskip("message_filters")
PointStamped = pytest.importorskip("geometry_msgs.msg").PointStamped
String = pytest.importorskip("std_msgs.msg").String
rclpy_time = pytest.importorskip("rclpy.time")
rclpy_clock = pytest.importorskip("rclpy.clock")

pytestmark = pytest.mark.ros

MS = 1_000_000


def stamped(stamp_ms: float, number: float = 0.0) -> Any:
    message = PointStamped()
    message.header.stamp = rclpy_time.Time(nanoseconds=round(stamp_ms * MS)).to_msg()
    message.point.x = float(number)
    return message


def ns_of(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


class Bench:
    """Inputs, a synchroniser over them, and what came out."""

    def __init__(self, num_inputs: int, **kwargs: Any) -> None:
        self.inputs = [message_filters.SimpleFilter() for _ in range(num_inputs)]
        kind = "ApproximateTimeSynchronizer" if "slop" in kwargs else "TimeSynchronizer"
        self.synchronizer = getattr(message_filters, kind)(self.inputs, **kwargs)
        self.out: list[tuple[Any, ...]] = []
        self.synchronizer.registerCallback(lambda *messages: self.out.append(messages))

    def feed(self, *items: tuple[int, float]) -> list[list[float]]:
        """Send (input, stamp in ms) and return the stamps of the sets that came out so far."""
        for index, stamp_ms in items:
            self.inputs[index].signalMessage(stamped(stamp_ms))
        return [[ns_of(message) / MS for message in one] for one in self.out]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(2, 4).flatmap(
        lambda num: st.tuples(
            st.just(num),
            st.lists(st.tuples(st.integers(0, num - 1), st.integers(0, 9)), unique=True),
        )
    )
)
def test_equal_stamps_are_put_together_in_any_order_of_arrival(case: Any) -> None:
    num_inputs, items = case
    bench = Bench(num_inputs, queue_size=20)
    expected: list[int] = []
    seen: dict[int, set[int]] = {}
    for index, stamp_ms in items:
        seen.setdefault(stamp_ms, set()).add(index)
        if len(seen[stamp_ms]) == num_inputs:
            expected.append(stamp_ms)
        assert bench.feed((index, stamp_ms)) == [[ms] * num_inputs for ms in expected]


def test_exact_pairs_need_equal_nanoseconds() -> None:
    bench = Bench(2, queue_size=5)
    assert bench.feed((0, 1.0), (1, 1.000001)) == []
    assert bench.feed((1, 1.0)) == [[1.0, 1.0]]


def test_the_oldest_stamp_leaves_a_full_queue() -> None:
    bench = Bench(2, queue_size=2)
    bench.feed((0, 2), (0, 3), (0, 1))
    assert bench.feed((1, 1), (1, 3), (1, 2)) == [[3, 3], [2, 2]]
    assert Bench(2, queue_size=0).feed((0, 1), (1, 1)) == []


def test_a_message_with_a_stamp_already_waiting_replaces_it() -> None:
    bench = Bench(2, queue_size=5)
    bench.inputs[0].signalMessage(stamped(1, number=1))
    bench.inputs[0].signalMessage(stamped(1, number=2))
    bench.feed((1, 1))
    assert [one[0].point.x for one in bench.out] == [2.0]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([(0, 10), (1, 10)], [[10, 10]], id="equal"),
        pytest.param([(0, 10), (1, 14)], [[10, 14]], id="near"),
        pytest.param([(0, 10), (1, 15)], [], id="apart by the slop"),
        pytest.param([(0, 10), (1, 14.999999)], [[10, 14.999999]], id="just less than the slop"),
        pytest.param([(1, 10), (0, 14)], [[14, 10]], id="second input first"),
        pytest.param([(0, 10), (0, 20), (1, 19), (1, 9)], [[20, 19], [10, 9]], id="late"),
        pytest.param([(0, 30), (0, 10), (1, 31), (1, 11)], [[30, 31], [10, 11]], id="disordered"),
        pytest.param([(0, 10), (0, 13), (1, 12)], [[13, 12]], id="nearest"),
        pytest.param([(0, 10), (0, 14), (1, 12)], [[10, 12]], id="first of two as near"),
        pytest.param([(0, 14), (0, 10), (1, 12)], [[14, 12]], id="first to come of two as near"),
        pytest.param([(0, 10), (1, 12), (1, 10)], [[10, 12]], id="no waiting for a nearer one"),
        pytest.param([(0, 10), (1, 10), (1, 11)], [[10, 10]], id="used once"),
    ],
)
def test_near_stamps_are_put_together(items: list[Any], expected: list[Any]) -> None:
    assert Bench(2, queue_size=5, slop=0.005).feed(*items) == expected


def test_three_inputs_must_all_be_near_each_other() -> None:
    bench = Bench(3, queue_size=5, slop=0.005)
    assert bench.feed((0, 10), (1, 14), (2, 18)) == []
    assert bench.feed((2, 12)) == [[10, 14, 12]]


def test_a_slop_of_zero_puts_nothing_together() -> None:
    assert Bench(2, queue_size=5, slop=0.0).feed((0, 10), (1, 10)) == []


@settings(deadline=None, max_examples=80)
@given(
    st.integers(2, 3),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=25),
)
def test_approximate_sets_hold_together(num_inputs: int, queue_size: int, items: Any) -> None:
    """Every set is near enough, comes at once when it can, and uses no message twice."""
    slop_ms = 6
    bench = Bench(num_inputs, queue_size=queue_size, slop=slop_ms / 1000)
    waiting: list[list[int]] = [[] for _ in range(num_inputs)]
    for index, stamp_ms in ((i, ms) for i, ms in items if i < num_inputs):
        num_before = len(bench.out)
        bench.feed((index, stamp_ms))
        if stamp_ms not in waiting[index]:
            waiting[index].append(stamp_ms)
        if len(waiting[index]) > queue_size:
            waiting[index].remove(min(waiting[index]))
        others = [[stamp_ms] if i == index else queue for i, queue in enumerate(waiting)]
        is_possible = stamp_ms in waiting[index] and any(
            max(combination) - min(combination) < slop_ms
            for combination in itertools.product(*others)
        )
        new = [[ns_of(message) // MS for message in one] for one in bench.out[num_before:]]
        assert len(new) == is_possible
        for one in new:
            assert max(one) - min(one) < slop_ms
            assert one[index] == stamp_ms
            for queue, used_ms in zip(waiting, one, strict=True):
                queue.remove(used_ms)


def test_messages_without_a_stamp() -> None:
    text = String(data="no header")
    refusing = Bench(2, queue_size=5, slop=0.1)
    for each in refusing.inputs:
        each.signalMessage(text)
    assert refusing.out == []
    allowing = Bench(2, queue_size=5, slop=1.0, allow_headerless=True)
    for each in allowing.inputs:
        each.signalMessage(text)
    assert allowing.out == [(text, text)]


def test_a_time_object_is_a_stamp() -> None:
    class Message:
        class header:  # noqa: N801
            stamp = rclpy_time.Time(nanoseconds=5, clock_type=rclpy_clock.ClockType.ROS_TIME)

    bench = Bench(2, queue_size=5, slop=0.1)
    for each in bench.inputs:
        each.signalMessage(Message)
    assert bench.out == [(Message, Message)]


@pytest.mark.better_than_published("message_filters", "stays locked when a callback raises")
@pytest.mark.parametrize("kwargs", [{}, {"slop": 0.005}], ids=["exact", "approximate"])
def test_a_callback_that_raises_locks_nothing(kwargs: Any) -> None:
    bench = Bench(2, queue_size=5, **kwargs)

    def fail(*_: Any) -> None:
        raise RuntimeError("once")

    number = bench.synchronizer.registerCallback(fail)
    with pytest.raises(RuntimeError, match="once"):
        bench.feed((0, 10), (1, 10))
    del bench.synchronizer.callbacks[number]
    assert bench.feed((0, 20), (1, 20), (1, 10)) == [[10, 10], [20, 20]]


@pytest.mark.better_than_published("message_filters", "locks itself out")
@pytest.mark.parametrize("kwargs", [{}, {"slop": 0.005}], ids=["exact", "approximate"])
def test_a_callback_may_feed_its_own_synchroniser(kwargs: Any) -> None:
    bench = Bench(2, queue_size=5, **kwargs)
    following = iter([(0, 20), (1, 20)])
    bench.synchronizer.registerCallback(lambda *_: [bench.feed(item) for item in following])
    assert bench.feed((0, 10), (1, 10)) == [[10, 10], [20, 20]]


@pytest.mark.better_than_published("message_filters", "stays locked")
def test_a_message_without_a_stamp_locks_nothing() -> None:
    bench = Bench(2, queue_size=5)
    with pytest.raises(AttributeError):
        bench.inputs[0].signalMessage(String())
    assert bench.feed((0, 1), (1, 1)) == [[1, 1]]


def test_callbacks_get_their_own_arguments_in_the_order_of_registration() -> None:
    source = message_filters.SimpleFilter()
    got: list[Any] = []
    numbers = [source.registerCallback(lambda *args: got.append(args), i) for i in range(3)]
    source.signalMessage("a", "b")
    assert numbers == [0, 1, 2]
    assert got == [("a", "b", 0), ("a", "b", 1), ("a", "b", 2)]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 50), unique=True).map(sorted),
    st.integers(1, 6),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_a_cache_answers_about_the_newest_messages(
    stamps_ms: list[int], cache_size: int, first_ms: int, second_ms: int
) -> None:
    source = message_filters.SimpleFilter()
    cache = message_filters.Cache(source, cache_size)
    handed_on: list[Any] = []
    cache.registerCallback(handed_on.append)
    messages = [stamped(stamp_ms) for stamp_ms in stamps_ms]
    for message in messages:
        source.signalMessage(message)
    assert handed_on == messages

    def time(stamp_ms: int) -> Any:
        return rclpy_time.Time(
            nanoseconds=stamp_ms * MS, clock_type=rclpy_clock.ClockType.ROS_TIME
        )

    kept = list(zip(stamps_ms, messages, strict=True))[-cache_size:]
    low, high = sorted((first_ms, second_ms))
    assert cache.getInterval(time(low), time(high)) == [m for ms, m in kept if low <= ms <= high]
    after = [m for ms, m in kept if ms >= first_ms]
    before = [m for ms, m in kept if ms <= first_ms]
    assert cache.getElemAfterTime(time(first_ms)) == (after[0] if after else None)
    assert cache.getElemBeforeTime(time(first_ms)) == (before[-1] if before else None)
    assert cache.getOldestTime() == (time(kept[0][0]) if kept else None)
    assert cache.getLastestTime() == (time(kept[-1][0]) if kept else None)
    assert cache.getLast() == (kept[-1][1] if kept else None)


def test_a_cache_takes_messages_without_a_stamp_only_if_told() -> None:
    source = message_filters.SimpleFilter()
    refusing = message_filters.Cache(source, 5)
    allowing = message_filters.Cache(source, 5, allow_headerless=True)
    source.signalMessage(String(data="now"))
    assert refusing.getLast() is None
    assert allowing.getLast().data == "now"


def test_topics_are_put_together(ros: Any) -> None:
    subscribers = [
        message_filters.Subscriber(ros.node, PointStamped, "left"),
        message_filters.Subscriber(ros.node, PointStamped, "right", qos_profile=3),
    ]
    assert [each.getTopic() for each in subscribers] == ["left", "right"]
    assert subscribers[0].topic_name.endswith("/left")
    out: list[Any] = []
    synchronizer = message_filters.ApproximateTimeSynchronizer(subscribers, 10, 0.01)
    synchronizer.registerCallback(lambda *messages: out.append(messages))
    publishers = [ros.node.create_publisher(PointStamped, name, 10) for name in ("left", "right")]
    ros.spin_until(lambda: all(each.get_subscription_count() for each in publishers))
    for publisher, stamp_ms in zip(publishers, (100.0, 104.0), strict=True):
        publisher.publish(stamped(stamp_ms))
    ros.spin_until(lambda: out)
    assert [ns_of(message) / MS for message in out[0]] == [100.0, 104.0]
