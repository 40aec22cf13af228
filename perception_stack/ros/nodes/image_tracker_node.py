"""Node ``image_tracker``: 2-D boxes of one camera in, the same with identities over time out."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import CameraInfo
from vision_msgs.msg import Detection2DArray

from perception_stack.io import messages
from perception_stack.ros import conversions, qos
from perception_stack.ros.step_node import StepNode, run
from perception_stack.tracking.image.config import ImageTrackerConfig
from perception_stack.tracking.image.tracker import ImageTracker


class ImageTrackerNode(StepNode):
    """Turns ``detections`` into ``tracked_detections``; ``camera_info`` tells where images end."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("image_tracker", ("image_tracker",), **node_options)
        config = self.config("image_tracker", ImageTrackerConfig)
        self._tracker = ImageTracker(config, self.journals["image_tracker"])
        self._tracker.warm_up()
        self._image_size_px: tuple[int, int] | None = None
        self._tracked = self.advertise(Detection2DArray, "tracked_detections", qos.RESULT)
        self.subscribe(CameraInfo, "camera_info", self._on_camera_info, qos.SENSOR)
        self.subscribe(Detection2DArray, "detections", self._on_detections, qos.RESULT)

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._image_size_px = msg.width, msg.height

    def _on_detections(self, msg: Detection2DArray) -> None:
        with self.timed("image_tracker"):
            objects = self._tracker.update(
                messages.detections2d_from_msg(msg), image_size_px=self._image_size_px
            )
            if objects is not None:
                self._tracked.publish(conversions.tracked2d_msg(objects))
        self.frames_done("image_tracker", int(objects is not None))


def main() -> None:
    """Entry point of ``ros2 run perception_stack image_tracker``."""
    run(ImageTrackerNode)
