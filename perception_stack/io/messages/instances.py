"""What goes with detections in an image: names of the labels of their masks, and keypoints."""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import Detections2D, Keypoints2D
from perception_stack.errors import DecodeError
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.detections import detection_id
from perception_stack.io.messages.headers import Build, header_to_msg


def label_info_to_msg(
    detections: Detections2D, *, threshold: float, build: Build = build_message
) -> Any:
    """A ``vision_msgs/LabelInfo``: of which class the pixels of each value of the mask are.

    Values are numbers of detections, so it belongs to one image and has its stamp.

    Args:
        detections: Of the image.
        threshold: Least score of a detection.
        build: Makes the messages.
    """
    return build(
        "vision_msgs/msg/LabelInfo",
        header=header_to_msg(detections.stamp_ns, detections.frame_id, build=build),
        class_map=[
            build("vision_msgs/msg/VisionClass", class_id=i + 1, class_name=name)
            for i, name in enumerate(detections.labels)
        ],
        threshold=threshold,
    )


def keypoints_to_msg(detections: Detections2D, *, build: Build = build_message) -> Any:
    """A ``perception_stack/Keypoints2DArray`` of detections that have keypoints.

    Raises:
        DecodeError: they have none.
    """
    keypoints = detections.keypoints
    if keypoints is None:
        raise DecodeError("detections without keypoints make no message of them")
    return build(
        "perception_stack/msg/Keypoints2DArray",
        header=header_to_msg(detections.stamp_ns, detections.frame_id, build=build),
        names=list(keypoints.names),
        detections=[
            build(
                "perception_stack/msg/Keypoints2D",
                detection_id=detection_id(i),
                points=[build("vision_msgs/msg/Point2D", x=x, y=y) for x, y in uv_px],
                scores=score,
            )
            for i, (uv_px, score) in enumerate(
                zip(keypoints.uv_px.tolist(), keypoints.score, strict=True)
            )
        ],
    )


def keypoints_from_msg(message: Any) -> Keypoints2D:
    """Keypoints of each detection of one image, in their order.

    Raises:
        DecodeError: one has another number of points or scores than there are names.
    """
    names = tuple(message.names)
    for one in message.detections:
        if not len(one.points) == len(one.scores) == len(names):
            raise DecodeError(
                f"detection '{one.detection_id}' has {len(one.points)} points and "
                f"{len(one.scores)} scores for {len(names)} names"
            )
    shape = (len(message.detections), len(names))
    points = [[point.x, point.y] for one in message.detections for point in one.points]
    score = [np.asarray(one.scores, dtype=np.float64) for one in message.detections]
    return Keypoints2D(
        names=names,
        uv_px=np.array(points, dtype=np.float64).reshape(*shape, 2),
        score=np.array(score, dtype=np.float64).reshape(shape),
    )
