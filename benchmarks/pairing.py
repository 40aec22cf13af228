"""The synchroniser against ``message_filters``: time per message, and what one message can cost.

The peer is the Python ApproximateTimeSynchronizer of ROS 2, from a file of it or as installed::

    git clone https://github.com/ros2/message_filters
    python benchmarks/pairing.py --peer message_filters/src/message_filters/__init__.py

Four streams of 10 Hz, whose stamps jitter by 5 ms, come in order of their stamps; the tolerance is
40 ms. Both run in turn in one process, in processor time. Then one stream is silent. Then one
message meets full queues in which nothing fits together: half of the others are just too early,
half just too late. At last a callback raises.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import message_filters
import numpy as np
from rclpy.time import Time

from perception_stack.fusion.pairing import Companion, Pairing
from perception_stack.journal import Journal

STREAMS = ("points", "front", "left", "right")
PERIOD_NS, JITTER_NS, TOLERANCE_S = 100_000_000, 5_000_000, 0.04
REPEATS = 5


def load(path: Path | None) -> ModuleType:
    if path is None:
        return message_filters
    spec = importlib.util.spec_from_file_location("peer_message_filters", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def message(stamp_ns: int) -> Any:
    return SimpleNamespace(header=SimpleNamespace(stamp=Time(nanoseconds=stamp_ns)))


class Ours:
    """Our synchroniser, the first stream leading; nothing is called, sets are given back."""

    def __init__(self, queue_size: int) -> None:
        self.sets = 0
        self._pairing = Pairing(
            STREAMS[0],
            [Companion(name=name, tolerance_s=TOLERANCE_S) for name in STREAMS[1:]],
            timeout_s=10.0,
            queue_size=queue_size,
            reset_s=1e6,
            journal=Journal(),
        )

    def push(self, stream: int, msg: Any) -> None:
        """One message in; complete sets are counted."""
        stamp_ns = msg.header.stamp.nanoseconds
        done = self._pairing.push(STREAMS[stream], stamp_ns, msg, arrival_ns=stamp_ns)
        self.sets += sum(None not in one.companions.values() for one in done)


class Theirs:
    """The peer."""

    def __init__(self, peer: ModuleType, queue_size: int) -> None:
        self.sets = 0
        self.filters = [peer.SimpleFilter() for _ in STREAMS]
        self.sync = peer.ApproximateTimeSynchronizer(self.filters, queue_size, TOLERANCE_S)
        self.sync.registerCallback(self._count)

    def _count(self, *_messages: Any) -> None:
        self.sets += 1

    def push(self, stream: int, msg: Any) -> None:
        """One message in; the callback counts sets."""
        self.filters[stream].signalMessage(msg)


def traffic(num: int, silent: int | None = None) -> list[tuple[int, Any]]:
    rng = np.random.default_rng(0)
    jitter = rng.integers(-JITTER_NS, JITTER_NS, (num, len(STREAMS)))
    stamps = np.arange(1, num + 1)[:, None] * PERIOD_NS + jitter
    rows = [(int(stamps[i, k]), k) for i in range(num) for k in range(len(STREAMS)) if k != silent]
    return [(k, message(stamp)) for stamp, k in sorted(rows)]


def took_s(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def compare(peer: ModuleType, name: str, rows: list[tuple[int, Any]], queue_size: int) -> None:
    us: dict[str, list[float]] = {"ours": [], "theirs": []}
    sets = {}
    for _ in range(REPEATS):
        for who, sync in (("ours", Ours(queue_size)), ("theirs", Theirs(peer, queue_size))):
            spent_s = took_s(lambda s=sync: [s.push(*row) for row in rows])
            us[who].append(1e6 * spent_s / len(rows))
            sets[who] = sync.sets
    ours, theirs = np.median(us["ours"]), np.median(us["theirs"])
    print(
        f"{name:36} ours {ours:6.1f} us a message, {sets['ours']} sets; "
        f"theirs {theirs:6.1f} us, {sets['theirs']} sets; {theirs / ours:.1f} times"
    )


def adversarial(peer: ModuleType, size: int) -> None:
    """A message of the leading stream; of the others some are too early and some too late."""
    at_ns, apart_ns = 1_000_000_000, 1000
    early, late = at_ns - 35_000_000, at_ns + 35_000_000
    rows = [
        (1 + k % 3, message([early, late, early][k % 3] + k * apart_ns)) for k in range(3 * size)
    ]
    spent_ms = {}
    for who, sync in (("ours", Ours(size)), ("theirs", Theirs(peer, size))):
        for row in rows:
            sync.push(*row)
        spent_ms[who] = 1e3 * took_s(lambda s=sync: s.push(0, message(at_ns)))
    print(
        f"one message, three full queues of {size:3}: ours {spent_ms['ours']:.3f} ms; "
        f"theirs {spent_ms['theirs']:.0f} ms"
    )


def raising(peer: ModuleType) -> None:
    sync = Theirs(peer, 10)

    def fail(*_messages: Any) -> None:
        raise RuntimeError

    sync.sync.registerCallback(fail)
    with contextlib.suppress(RuntimeError):
        for stream in range(len(STREAMS)):
            sync.push(stream, message(1_000_000_000))
    locked = not sync.sync.lock.acquire(timeout=0.1)
    print(
        f"after a callback has raised: ours calls none; theirs {'locked' if locked else 'goes on'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, help="the peer's __init__.py (default: installed)")
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[30])
    arguments = parser.parse_args()
    peer = load(arguments.peer)
    num = arguments.sets
    compare(peer, "four streams", traffic(num), 10)
    compare(peer, "one silent, queue 30", traffic(num, silent=3), 30)
    compare(peer, "one silent, queue 100", traffic(num, silent=3), 100)
    for size in arguments.sizes:
        adversarial(peer, size)
    raising(peer)


if __name__ == "__main__":
    main()
