"""Node ``detector``: images in, 2-D boxes out, through any model that has a manifest."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

from perception_stack.datatypes import ColorImage
from perception_stack.detection.config import DetectorConfig
from perception_stack.errors import ConfigError
from perception_stack.io import messages
from perception_stack.journal import Reason
from perception_stack.pipeline.drift_stage import DriftStage
from perception_stack.ros import qos
from perception_stack.ros.detection_outputs import DetectionOutputs
from perception_stack.ros.drift_status import DriftStatus
from perception_stack.ros.newest import Newest
from perception_stack.ros.step_node import StepNode, run
from perception_stack.watch.drift import Finding

_PROMPTS = "detector.prompts"


class DetectorNode(StepNode):
    """Turns ``image`` of each camera into ``detections``, and what else the model says of it.

    Images of several cameras go through one model together. The newest image of each camera
    counts. Without a model the node says so and sends nothing.
    """

    def __init__(self, **node_options: Any) -> None:
        super().__init__("detector", ("detector",), **node_options)
        config = self.config("detector", DetectorConfig)
        journal = self.journals["detector"]
        msg_type, kind = (Image, "image")
        if config.compressed:
            msg_type, kind = (CompressedImage, "image/compressed")
        topics = {name: config.camera_topic(name, kind) for name in config.camera_names}
        if not config.enabled:
            # no publisher either: an empty list would claim that someone looked
            text = "no model configured (parameter detector.model); nothing will be detected"
            self.get_logger().warning(text)
            for topic in topics.values():
                self.subscribe(msg_type, topic, self._on_image_without_model, qos.SENSOR)
            return
        from perception_stack.detection.detector import Detector

        self._detector = Detector(config, journal)
        if config.build_only:
            self.get_logger().info("the model is built and loads; build_only ends here")
            self.context.try_shutdown()
            return
        self._decode = (
            messages.compressed_from_msg if config.compressed else messages.image_from_msg
        )
        self._topics = topics
        self._outputs = {
            name: DetectionOutputs(
                self,
                partial(config.camera_topic, name),
                given=self._detector.gives,
                threshold=self._detector.score_threshold,
            )
            for name in topics
        }
        self._drift = {
            name: DriftStage(config.reference, ("image", "detections"), journal) for name in topics
        }
        if config.reference:
            self._drift_status = DriftStatus(self, self._findings)
        self._newest = Newest(self, self._detect, journal)
        self.add_on_set_parameters_callback(self._on_parameters)
        for name, topic in topics.items():
            self.subscribe(msg_type, topic, partial(self._newest.push, name), qos.SENSOR)

    def _detect(self, newest: dict[str, Any]) -> None:
        images: dict[str, ColorImage] = {}
        with self.timed("detector"):
            for name, msg in newest.items():
                with self.drop_frame_on_error(self._topics[name], msg):
                    images[name] = self._decode(msg)
            found = self._detector.detect_all(list(images.values()))
            for (name, image), detections in zip(images.items(), found, strict=True):
                self._outputs[name].publish(image, detections)
                self._drift[name].add_image(image, detections)
        self.frames_done("detector", len(found))

    def _findings(self) -> list[Finding]:
        return [
            replace(one, part=f"{name} {one.part}") if len(self._drift) > 1 else one
            for name, stage in self._drift.items()
            for one in stage.findings
        ]

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        for one in parameters:
            if one.name == _PROMPTS:
                try:
                    self._detector.look_for(tuple(one.value or ()))
                except ConfigError as error:
                    return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _on_image_without_model(self, msg: Image | CompressedImage) -> None:
        self.journals["detector"].count(
            Reason.NO_MODEL,
            stamp_ns=messages.stamp_ns(msg.header),
            detail="set the parameter detector.model to a manifest",
        )


def main() -> None:
    """Entry point of ``ros2 run perception_stack detector``."""
    run(DetectorNode)
