"""Node ``tracker``: boxes and detections in images in, the tracked list in a fixed frame out."""

from __future__ import annotations

from functools import partial
from typing import Any

from sensor_msgs.msg import CameraInfo
from vision_msgs.msg import Detection2DArray, Detection3DArray

from perception_stack.datatypes import FrameResult
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.io import messages
from perception_stack.pipeline.tracking_stage import TrackingStage
from perception_stack.ros import qos
from perception_stack.ros.frames import FrameListener
from perception_stack.ros.outputs import ObjectOutputs
from perception_stack.ros.step_node import StepNode, arrival_ns, run
from perception_stack.tracking.space.config import TrackerConfig

_EXPIRE_PERIOD_S = 0.05


class TrackerNode(StepNode):
    """Turns ``detections_3d`` and other sources into ``objects`` and what is derived of them."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("tracker", ("tracker",), **node_options)
        config = self.config("tracker", TrackerConfig)
        frames, journal = FrameTree(reset_s=config.reset_s), self.journals["tracker"]
        self._stage = TrackingStage(config, frames, journal)
        self._stage.warm_up()
        messages.warm_up()
        self._outputs = ObjectOutputs(
            self,
            obstacle_spacing_m=config.obstacle_spacing_m,
            predicted=self._stage.predicted,
        )
        self._listener = FrameListener(self, frames, journal, on_change=self._publish_ready)
        for topic in config.box_topics:
            self.subscribe(
                Detection3DArray, topic, partial(self._on_boxes, topic), qos.RESULT, raw=True
            )
        for topic in config.image_topics:
            info = topic.rpartition("/")[0]
            self.subscribe(
                CameraInfo,
                f"{info}/camera_info" if info else "camera_info",
                partial(self._on_camera_info, topic),
                qos.SENSOR,
            )
            self.subscribe(
                Detection2DArray, topic, partial(self._on_detections, topic), qos.RESULT
            )
        self.every(_EXPIRE_PERIOD_S, self._publish_ready)

    @property
    def waiting(self) -> int:
        """Number of frames that wait for their transform."""
        return self._stage.waiting

    def _on_boxes(self, topic: str, raw: bytes) -> None:
        with self.timed("tracker"):
            boxes = messages.boxes3d_from_bytes(raw)
            num = self._publish(self._stage.push(boxes, arrival_ns=arrival_ns(), topic=topic))
        self.frames_done("tracker", num)

    def _on_camera_info(self, topic: str, msg: CameraInfo) -> None:
        self._stage.set_camera(messages.camera_from_msg(msg), topic=topic)

    def _on_detections(self, topic: str, msg: Detection2DArray) -> None:
        with self.timed("tracker"):
            detections = messages.detections2d_from_msg(msg)
            num = self._publish(
                self._stage.push_detections(detections, arrival_ns=arrival_ns(), topic=topic)
            )
        self.frames_done("tracker", num)

    def _publish_ready(self) -> None:
        with self.timed("tracker"):
            num = self._publish(self._stage.ready(arrival_ns()))
        self.frames_done("tracker", num)

    def _publish(self, results: list[FrameResult]) -> int:
        for result in results:
            self._outputs.publish(result)
        return len(results)


def main() -> None:
    """Entry point of ``ros2 run perception_stack tracker``."""
    run(TrackerNode)
