"""Node ``frame_collector``: keeps short bags around frames that are worth a label."""

from __future__ import annotations

from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from perception_stack.pipeline.collector_stage import TYPES, CollectorStage
from perception_stack.ros import conversions, qos
from perception_stack.ros.drift_status import PREFIX
from perception_stack.ros.step_node import StepNode, run
from perception_stack.watch.collect import FrameCollectorConfig

_SENSORS = ("image", "camera_info", "points")
_ABSOLUTE = ("tf", "tf_static")


class FrameCollectorNode(StepNode):
    """Listens to sensors and results as bytes, and to ``/diagnostics`` for drift."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("frame_collector", ("frame_collector",), **node_options)
        config = self.config("frame_collector", FrameCollectorConfig)
        self._stage = CollectorStage(config, self.journals["frame_collector"])
        for name, kind in TYPES.items():
            if name == "points" and not config.keep_points:
                continue
            topic = f"/{name}" if name in _ABSOLUTE else name
            profile = qos.SENSOR if name in _SENSORS else qos.RESULT
            if name == "tf_static":
                profile = qos.LATCHED
            self.subscribe(
                conversions.message_type(kind),
                topic,
                partial(self._on_message, name),
                profile,
                raw=True,
            )
        self.subscribe(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.RESULT)

    def _on_message(self, name: str, raw: bytes) -> None:
        with self.timed("frame_collector"):
            self._stage.push(name, raw)
        self.diagnostics.note("snippets", str(self._stage.num_snippets))
        self.frames_done("frame_collector", int(name == "image"))

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            if status.name.startswith(PREFIX) and status.level == DiagnosticStatus.WARN:
                self._stage.note_drift(status.name, status.message)

    def destroy_node(self) -> None:
        """Write what waits before the node ends."""
        self._stage.close()
        super().destroy_node()


def main() -> None:
    """Entry point of ``ros2 run perception_stack frame_collector``."""
    run(FrameCollectorNode)
