"""Node ``calibration_monitor``: tells on ``/diagnostics`` when a sensor has been bumped."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from perception_stack.calibration.monitor import MonitorConfig, State
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.io import messages
from perception_stack.pipeline.monitor_stage import MonitorStage
from perception_stack.ros import qos
from perception_stack.ros.frames import FrameListener
from perception_stack.ros.step_node import StepNode, arrival_ns, run

_EXPIRE_PERIOD_S, _TELL_PERIOD_S = 0.05, 1.0
_LEVELS = {
    State.LEARNING: DiagnosticStatus.OK,
    State.STEADY: DiagnosticStatus.OK,
    State.BLIND: DiagnosticStatus.STALE,
    State.MOVED: DiagnosticStatus.ERROR,
}


class CalibrationMonitorNode(StepNode):
    """Watches ``image``, ``points`` and ``right_image`` against TF and ``camera_info``."""

    def __init__(self, **node_options: Any) -> None:
        sections = ("calibration_monitor", "fusion")
        super().__init__("calibration_monitor", sections, **node_options)
        config = self.config("calibration_monitor", MonitorConfig)
        pairing = self.config("fusion", FusionConfig)
        journal = self.journals["calibration_monitor"]
        frames = FrameTree(reset_s=pairing.reset_s)
        self._stage = MonitorStage(
            config, pairing, base_frame=config.base_frame, frames=frames, journal=journal
        )
        self._listener = FrameListener(self, frames, journal, on_change=lambda: None)
        self._diagnostics = self.advertise(DiagnosticArray, "/diagnostics", qos.RESULT)
        self.subscribe(CameraInfo, "camera_info", self._on_camera_info, qos.SENSOR)
        self.subscribe(Image, "image", self._on_image, qos.SENSOR)
        self.subscribe(PointCloud2, "points", self._on_points, qos.SENSOR)
        if config.stereo:
            right_info, on_info = "right_camera_info", self._on_right_camera_info
            self.subscribe(CameraInfo, right_info, on_info, qos.SENSOR)
            self.subscribe(Image, "right_image", self._on_right_image, qos.SENSOR)
        self.every(_EXPIRE_PERIOD_S, self._expire)
        self.every(_TELL_PERIOD_S, self._tell)

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._stage.set_camera(messages.camera_from_msg(msg))

    def _on_image(self, msg: Image) -> None:
        image = messages.image_from_msg(msg)
        with self.timed("calibration_monitor"):
            num = self._stage.push_image(image, arrival_ns=arrival_ns())
        self.frames_done("calibration_monitor", num)

    def _on_right_camera_info(self, msg: CameraInfo) -> None:
        self._stage.set_right_camera(messages.camera_from_msg(msg))

    def _on_right_image(self, msg: Image) -> None:
        image = messages.image_from_msg(msg)
        with self.timed("calibration_monitor"):
            num = self._stage.push_right_image(image, arrival_ns=arrival_ns())
        self.frames_done("calibration_monitor", num)

    def _on_points(self, msg: PointCloud2) -> None:
        cloud = messages.cloud_from_msg(msg)
        with self.timed("calibration_monitor"):
            num = self._stage.push_cloud(cloud, arrival_ns=arrival_ns())
        self.frames_done("calibration_monitor", num)

    def _expire(self) -> None:
        with self.timed("calibration_monitor"):
            num = self._stage.expire(arrival_ns())
        self.frames_done("calibration_monitor", num)

    def _tell(self) -> None:
        array = DiagnosticArray()
        array.header.stamp = self.get_clock().now().to_msg()
        array.status = [
            DiagnosticStatus(
                name=f"calibration: {one.watch}",
                level=_LEVELS[one.state],
                message=one.text,
                values=[
                    KeyValue(key="state", value=one.state.value),
                    KeyValue(key="level", value=f"{one.level:.3f}"),
                ],
            )
            for one in self._stage.findings
        ]
        self._diagnostics.publish(array)


def main() -> None:
    """Entry point of ``ros2 run perception_stack calibration_monitor``."""
    run(CalibrationMonitorNode)
