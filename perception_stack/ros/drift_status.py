"""Tells on ``/diagnostics`` whether what comes in and out still is like the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from perception_stack.ros import qos
from perception_stack.ros.step_node import StepNode
from perception_stack.watch.drift import Finding

PREFIX: Final = "drift: "
_PERIOD_S: Final = 1.0


class DriftStatus:
    """One status per part, named ``drift: image`` and so on; a warning while something is off.

    Args:
        node: Publishes.
        findings: What is known now.
    """

    def __init__(self, node: StepNode, findings: Callable[[], Sequence[Finding]]) -> None:
        self._node, self._findings = node, findings
        self._publisher = node.advertise(DiagnosticArray, "/diagnostics", qos.RESULT)
        node.every(_PERIOD_S, self._tell)

    def _tell(self) -> None:
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        array.status = [_status(one) for one in self._findings()]
        self._publisher.publish(array)


def _status(finding: Finding) -> DiagnosticStatus:
    status = DiagnosticStatus(name=f"{PREFIX}{finding.part}", message=finding.text)
    status.level = DiagnosticStatus.WARN if finding.alarms else DiagnosticStatus.OK
    values = {"frames": str(finding.num_frames)}
    values |= {f"level.{name}": f"{level:.2f}" for name, level in finding.levels.items()}
    for alarm in finding.alarms:
        values[f"shift.{alarm.feature}"] = f"{alarm.shift:.4g}"
        values[f"since_ns.{alarm.feature}"] = str(alarm.since_ns)
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return status
