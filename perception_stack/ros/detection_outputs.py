"""Publishes what was detected in the images of one camera, in every form that the model gives."""

from __future__ import annotations

from collections.abc import Callable

from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.detection.drawing import draw
from perception_stack.msg import Keypoints2DArray
from perception_stack.ros import conversions, qos
from perception_stack.ros.step_node import StepNode


class DetectionOutputs:
    """The topics of one camera.

    Args:
        node: Publishes.
        topic: Name of a topic of this camera by its kind.
        given: What the model gives besides boxes: of masks, keypoints, angles.
        threshold: Least score of a detection.
    """

    def __init__(
        self,
        node: StepNode,
        topic: Callable[[str], str],
        *,
        given: frozenset[str],
        threshold: float,
    ) -> None:
        self._threshold = threshold
        self._detections = node.advertise(Detection2DArray, topic("detections"), qos.RESULT)
        self._picture = node.advertise(Image, topic("detections_image"), qos.RESULT)
        self._masks = self._labels = self._keypoints = None
        if "masks" in given:
            self._masks = node.advertise(Image, topic("masks"), qos.RESULT)
            self._labels = node.advertise(LabelInfo, topic("label_info"), qos.LATCHED)
        if "keypoints" in given:
            self._keypoints = node.advertise(Keypoints2DArray, topic("keypoints"), qos.RESULT)

    def publish(self, image: ColorImage, detections: Detections2D) -> None:
        """All forms for one image; the large ones are only made when someone listens."""
        self._detections.publish(conversions.detections2d_msg(detections))
        if self._labels is not None:
            info = conversions.label_info_msg(detections, threshold=self._threshold)
            self._labels.publish(info)
        mask = detections.mask
        if self._masks is not None and mask is not None and self._masks.get_subscription_count():
            frame_id, stamp_ns = detections.frame_id, detections.stamp_ns
            self._masks.publish(conversions.mask_msg(mask, frame_id=frame_id, stamp_ns=stamp_ns))
        if self._keypoints is not None:
            self._keypoints.publish(conversions.keypoints_msg(detections))
        if self._picture.get_subscription_count():
            self._picture.publish(conversions.image_msg(draw(image, detections)))
