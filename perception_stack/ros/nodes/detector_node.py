"""Node ``detector``: images in, 2-D boxes out, through any model that has a manifest."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from perception_stack.detection.config import DetectorConfig
from perception_stack.io import messages
from perception_stack.journal import Reason
from perception_stack.pipeline.drift_stage import DriftStage
from perception_stack.ros import conversions, qos
from perception_stack.ros.drift_status import DriftStatus
from perception_stack.ros.step_node import StepNode, run


class DetectorNode(StepNode):
    """Turns ``image`` into ``detections``; without a model it says so and sends nothing."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("detector", ("detector",), **node_options)
        config = self.config("detector", DetectorConfig)
        if not config.enabled:
            # no publisher either: an empty list would claim that someone looked
            text = "no model configured (parameter detector.model); nothing will be detected"
            self.get_logger().warning(text)
            self.subscribe(Image, "image", self._on_image_without_model, qos.SENSOR)
            return
        from perception_stack.detection.detector import Detector

        self._detector = Detector(config, self.journals["detector"])
        if config.build_only:
            self.get_logger().info("the model is built and loads; build_only ends here")
            self.context.try_shutdown()
            return
        parts = ("image", "detections")
        self._drift = DriftStage(config.reference, parts, self.journals["detector"])
        if self._drift.enabled:
            self._status = DriftStatus(self, lambda: self._drift.findings)
        self._detections = self.advertise(Detection2DArray, "detections", qos.RESULT)
        self.subscribe(Image, "image", self._on_image, qos.SENSOR)

    def _on_image(self, msg: Image) -> None:
        with self.timed("detector"):
            image = messages.image_from_msg(msg)
            detections = self._detector.detect(image)
            self._detections.publish(conversions.detections2d_msg(detections))
            self._drift.add_image(image, detections)
        self.frames_done("detector", 1)

    def _on_image_without_model(self, msg: Image) -> None:
        self.journals["detector"].count(
            Reason.NO_MODEL,
            stamp_ns=messages.stamp_ns(msg.header),
            detail="set the parameter detector.model to a manifest",
        )


def main() -> None:
    """Entry point of ``ros2 run perception_stack detector``."""
    run(DetectorNode)
