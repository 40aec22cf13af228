"""Node ``calibration``: says how cameras see and where sensors sit; calibrates a camera live."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import tf2_ros
from sensor_msgs.msg import CameraInfo, Image
from sensor_msgs.srv import SetCameraInfo
from std_srvs.srv import Trigger

from perception_stack.calibration.camera.selection import Answer
from perception_stack.calibration.config import CalibrationConfig
from perception_stack.calibration.grading.grade import Verdict
from perception_stack.errors import PerceptionError
from perception_stack.io import messages
from perception_stack.pipeline.calibration import load_rig
from perception_stack.pipeline.live_calibration import LiveCalibration
from perception_stack.ros import conversions, qos
from perception_stack.ros.step_node import StepNode, run


class CalibrationNode(StepNode):
    """Publishes the calibration files as latched ``camera_info`` and static TF.

    With a board configured it also collects views of it from ``image`` and has the services
    ``~/start``, ``~/compute`` and ``~/save``.
    """

    def __init__(self, **node_options: Any) -> None:
        super().__init__("calibration", ("calibration",), **node_options)
        config = self.config("calibration", CalibrationConfig)
        rig = load_rig(config)
        self._broadcaster = tf2_ros.StaticTransformBroadcaster(self)
        stamp_ns = self.get_clock().now().nanoseconds
        if rig.extrinsics:
            self._broadcaster.sendTransform(
                conversions.transforms_msg(rig.extrinsics, stamp_ns=stamp_ns).transforms
            )
        self._cameras = rig.cameras
        self._infos = [
            self.advertise(CameraInfo, topic, qos.LATCHED)
            for topic in config.camera_info_topics[: len(rig.cameras)]
        ]
        self._publish()
        # said again for readers that do not ask for what was said before they came
        self.every(config.publish_period_s, self._publish)
        if config.live_board:
            self._start_live(config)

    def _publish(self) -> None:
        stamp_ns = self.get_clock().now().nanoseconds
        for publisher, camera in zip(self._infos, self._cameras, strict=True):
            publisher.publish(conversions.camera_info_msg(camera, stamp_ns=stamp_ns))

    def _start_live(self, config: CalibrationConfig) -> None:
        self._live = LiveCalibration(config, self.journals["calibration"])
        self._annotated = self.advertise(Image, "calibration_image", qos.RESULT)
        self._driver = self.create_client(SetCameraInfo, config.live_service)
        for name, answer in (
            ("start", self._on_start),
            ("compute", self._on_compute),
            ("save", self._on_save),
        ):
            self.create_service(Trigger, f"~/{name}", _answering(answer))
        self.subscribe(Image, "image", self._on_image, qos.SENSOR)

    def _on_image(self, msg: Image) -> None:
        image = messages.image_from_msg(msg)
        with self.timed("calibration"):
            answer = self._live.offer(image, now=_now())
        if answer is Answer.TAKEN:
            self.frames_done("calibration", 1)
        self.diagnostics.note("views", str(self._live.num_views))
        self.diagnostics.note("progress", self._live.progress)
        if self._annotated.get_subscription_count():
            self._annotated.publish(conversions.image_msg(self._live.picture(image)))

    def _on_start(self) -> tuple[bool, str]:
        self._live.start()
        return True, "forgot all views and takes new ones"

    def _on_compute(self) -> tuple[bool, str]:
        grade = self._live.compute(now=_now()).grade
        text = " ".join((f"{grade.verdict.value}.", *grade.why, *grade.advice))
        return grade.verdict is not Verdict.NOT_ENOUGH, text

    def _on_save(self) -> tuple[bool, str]:
        written = self._live.save()
        result = self._live.result
        if result is None or not self._driver.service_is_ready():
            return True, f"{written}; no driver offers {self._driver.srv_name}"
        stamp_ns = self.get_clock().now().nanoseconds
        camera_info = conversions.camera_info_msg(result.camera, stamp_ns=stamp_ns)
        request = SetCameraInfo.Request(camera_info=camera_info)
        self._driver.call_async(request).add_done_callback(self._on_driver)
        return True, f"{written}; {self._driver.srv_name} was asked to take it"

    def _on_driver(self, future: Any) -> None:
        """What the driver says goes to the log and the diagnostics: the service has answered."""
        response = future.result()
        said = "took" if response.success else "refused"
        self.diagnostics.note("driver", f"{said} it: {response.status_message}")
        log = self.get_logger()
        (log.info if response.success else log.warning)(
            f"the driver {said} the calibration: {response.status_message}"
        )


def _answering(answer: Callable[[], tuple[bool, str]]) -> Callable[[Any, Any], Any]:
    """A service callback; bad input is an answer, not the end of the node."""

    def callback(request: Any, response: Any) -> Any:
        del request
        try:
            response.success, response.message = answer()
        except PerceptionError as error:
            response.success, response.message = False, str(error)
        return response

    return callback


def _now() -> datetime:
    return datetime.now(timezone.utc)


def main() -> None:
    """Entry point of ``ros2 run perception_stack calibration``."""
    run(CalibrationNode)
