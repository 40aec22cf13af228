"""Tells on ``/diagnostics`` how a node fares: rate, latency, and what it dropped (REP 107)."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher

from perception_stack.journal import Journal, Reason
from perception_stack.ros import qos

PERIOD_S: Final = 1.0
_WINDOW: Final = 1000
# normal parts of the work; counted, but no ground to warn
_QUIET: Final = frozenset(
    {
        Reason.CLUSTER_TOO_SMALL,
        Reason.CLUSTER_TOO_LARGE,
        Reason.BELOW_THRESHOLD,
        Reason.NON_FINITE_POINTS,
        Reason.CROPPED_POINTS,
        Reason.ROBOT_POINTS,
        Reason.OUT_OF_IMAGE,
        Reason.OUT_OF_VIEW,
        Reason.NO_BOARD,
        Reason.BLURRED_BOARD,
        Reason.MOVING_BOARD,
        Reason.KNOWN_VIEW,
        Reason.SUPERSEDED,  # a camera may be faster than the network
        Reason.OVER_BUDGET,
        Reason.KNOWN_SCENE,
        Reason.UNUSED,  # a camera may be faster than the LiDAR
    }
)


class Diagnostics:
    """Publishes one status per journal once a second.

    Args:
        node: Publishes; the status is named ``<node>: <step>``.
        journals: What is counted, by step.
    """

    def __init__(self, node: Node, journals: dict[str, Journal]) -> None:
        self._node = node
        self._journals = journals
        self._reported: dict[str, int] = dict.fromkeys(journals, 0)
        self._num_frames: dict[str, int] = dict.fromkeys(journals, 0)
        self._last_num: dict[str, int] = dict.fromkeys(journals, 0)
        self._durations_ns: dict[str, deque[int]] = {
            name: deque(maxlen=_WINDOW) for name in journals
        }
        self._notes: dict[str, str] = {}
        self._inputs: list[str] = []
        self._outputs: list[Publisher] = []
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", qos.RESULT)
        # steady: a paused or jumping simulation clock must not silence the node
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(PERIOD_S, self.publish, clock=clock)

    def watch_input(self, topic: str) -> None:
        """Report how many publishers a topic has."""
        self._inputs.append(self._node.resolve_topic_name(topic))

    def watch_output(self, publisher: Publisher) -> None:
        """Report how many subscribers a publisher has."""
        self._outputs.append(publisher)

    def note(self, key: str, value: str) -> None:
        """Report a value of the node until another takes its place."""
        self._notes[key] = value

    def frame_done(self, step: str, duration_ns: int) -> None:
        """Note that a step has finished a frame."""
        self._num_frames[step] += 1
        self._durations_ns[step].append(duration_ns)

    def publish(self) -> None:
        """Publish now."""
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        array.status = [self._status(step, journal) for step, journal in self._journals.items()]
        self._publisher.publish(array)

    def _status(self, step: str, journal: Journal) -> DiagnosticStatus:
        counts = journal.counts
        loud = {reason: num for reason, num in counts.items() if reason not in _QUIET}
        num_loud = sum(loud.values())
        news, self._reported[step] = num_loud - self._reported[step], num_loud
        rate = (self._num_frames[step] - self._last_num[step]) / PERIOD_S
        self._last_num[step] = self._num_frames[step]

        values = {"frames": str(self._num_frames[step]), "rate_hz": f"{rate:.1f}"}
        if durations := self._durations_ns[step]:
            for percent in (50, 95, 99):
                value = float(np.percentile(durations, percent)) / 1e6
                values[f"processing_p{percent}_ms"] = f"{value:.2f}"
        values |= self._notes
        for reason, num in counts.items():
            values[f"dropped.{reason.value}"] = str(num)
            values[f"last.{reason.value}"] = journal.last(reason).detail
            values[f"stamp_ns.{reason.value}"] = str(journal.last(reason).stamp_ns)
        for topic in self._inputs:
            values[f"publishers.{topic}"] = str(self._node.count_publishers(topic))
        for publisher in self._outputs:
            values[f"subscribers.{publisher.topic_name}"] = str(publisher.get_subscription_count())

        status = DiagnosticStatus(name=f"{self._node.get_name()}: {step}")
        status.level = DiagnosticStatus.WARN if news else DiagnosticStatus.OK
        status.message = (
            ", ".join(f"{reason.text} ({num})" for reason, num in loud.items()) if news else "ok"
        )
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        return status
