"""Plays a recording through running nodes and takes down what they say, with believable latency.

Player and recorder live in one process, so both ends of a latency are read off one clock: from the
moment a sensor message is handed to the middleware to the moment its result is back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from perception_stack.datatypes import Latency, TrackedObjects
from perception_stack.errors import PerceptionError
from perception_stack.io import interfaces, messages
from perception_stack.io.bags import BagMessage, BagReader
from perception_stack.io.messages.headers import raw_stamp_ns
from perception_stack.msg import TrackedObjectArray
from perception_stack.ros.player import Player

_KEEP_ALL = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
_POLL_S = 0.02
_LONG_S = 15.0


class NotReadyError(PerceptionError):
    """The nodes did not come up, or did not find each other, in time."""

    reason = "sync_timeout"


@dataclass(slots=True)
class OnlineRun:
    """What came back while a recording was played.

    Attributes:
        objects: The tracked list of each frame, in order of arrival.
        latencies: From sending the leading sensor message of a frame to having its list.
        num_sent: Leading sensor messages that were played.
        diagnostics: The last values of each status, by its name.
    """

    objects: list[TrackedObjects] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    num_sent: int = 0
    diagnostics: dict[str, dict[str, str]] = field(default_factory=dict)


class _Recorder(Node):
    """Subscribes to the results and keeps them; decoding waits until the play is over."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self.run = OnlineRun()
        self.sent_ns: dict[int, int] = {}
        self._raw_objects: list[bytes] = []
        self.create_subscription(
            TrackedObjectArray, "objects", self._on_objects, _KEEP_ALL, raw=True
        )
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, _KEEP_ALL)

    def decode(self) -> None:
        """Fill in the tracked lists."""
        name = "perception_stack/msg/TrackedObjectArray"
        self.run.objects = [
            messages.objects_from_msg(interfaces.decode(raw, name)) for raw in self._raw_objects
        ]

    def _on_objects(self, raw: bytes) -> None:
        now_ns = time.monotonic_ns()
        self._raw_objects.append(raw)
        stamp_ns = raw_stamp_ns(raw)
        if (sent_ns := self.sent_ns.get(stamp_ns)) is not None:
            self.run.latencies.append(
                Latency(step="end to end", stamp_ns=stamp_ns, duration_ns=now_ns - sent_ns)
            )

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            self.run.diagnostics[status.name] = {one.key: one.value for one in status.values}


def play_and_record(
    reader: BagReader,
    *,
    leading: str,
    unplayed: Sequence[str] = (),
    missing: Callable[[dict[str, dict[str, str]]], str],
    ready_timeout_s: float = 300.0,
    settle_s: float = 10.0,
    on_frame: Callable[[], None] = lambda: None,
    on_long_wait: Callable[[str], None] = lambda _lacks: None,
) -> OnlineRun:
    """Play a recording at its own pace and keep what the running nodes answer.

    Args:
        reader: The recording.
        leading: Topic whose every message should give one list.
        unplayed: Topics of the recording that the nodes publish themselves.
        missing: Told the diagnostics by status name; says what still lacks before the nodes have
            found each other, nothing when they have. It may raise to give up.
        ready_timeout_s: How long to wait for that. The first start compiles, each node for itself.
        settle_s: How long to wait for the last results.
        on_frame: Called for each leading message, for a progress bar.
        on_long_wait: Told once what lacks if the nodes take longer than usual.

    Raises:
        NotReadyError: the nodes were not ready in time.
    """
    rclpy.init(args=[])
    recorder, executor = _Recorder(), SingleThreadedExecutor()
    executor.add_node(recorder)
    spinner = threading.Thread(target=_spin, args=(executor,), daemon=True)
    spinner.start()

    def on_publish(message: BagMessage) -> None:
        if message.topic == leading:
            recorder.sent_ns[raw_stamp_ns(message.raw)] = time.monotonic_ns()
            on_frame()

    played = [topic for topic in reader.topics if topic not in unplayed]
    player = Player(reader, topics=[*played, "/clock"], on_publish=on_publish)
    try:
        start, is_told = time.monotonic(), False
        while lacks := missing(recorder.run.diagnostics):
            waited_s = time.monotonic() - start
            if waited_s > ready_timeout_s:
                raise NotReadyError(f"nodes not ready after {ready_timeout_s:.0f} s: {lacks}")
            if waited_s > _LONG_S and not is_told:
                on_long_wait(lacks)
                is_told = True
            time.sleep(_POLL_S)
        if not player.wait_for_subscribers([leading], timeout_s=ready_timeout_s):
            raise NotReadyError(f"nobody listens to {leading}")
        player.play()
        recorder.run.num_sent = len(recorder.sent_ns)
        end = time.monotonic() + settle_s
        while len(recorder.run.latencies) < recorder.run.num_sent and time.monotonic() < end:
            time.sleep(_POLL_S)
        # the diagnostics of the last second
        _wait_for_next_diagnostics(recorder)
    finally:
        executor.shutdown()
        player.destroy_node()
        recorder.destroy_node()
        rclpy.try_shutdown()
        spinner.join()
    recorder.decode()
    return recorder.run


def _spin(executor: SingleThreadedExecutor) -> None:
    with suppress(ExternalShutdownException):
        executor.spin()


def _wait_for_next_diagnostics(recorder: _Recorder) -> None:
    names = set(recorder.run.diagnostics)
    before = {name: recorder.run.diagnostics[name] for name in names}
    end = time.monotonic() + 3.0
    while time.monotonic() < end and any(
        recorder.run.diagnostics[name] is before[name] for name in names
    ):
        time.sleep(_POLL_S)
