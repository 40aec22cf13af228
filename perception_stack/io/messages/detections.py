"""``vision_msgs/Detection2DArray``: boxes in an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import Detections2D, FloatArray, TrackedBoxes2D
from perception_stack.errors import DecodeError
from perception_stack.geometry.rectangles import around
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.headers import Build, header_to_msg, stamp_ns
from perception_stack.io.messages.transforms import origin_to_msg


def detections2d_from_msg(message: Any) -> Detections2D:
    """Boxes, each with its best hypothesis.

    Where one is rotated all are oriented boxes, and the upright ones are those around them.

    Args:
        message: ``vision_msgs/Detection2DArray``.

    Raises:
        DecodeError: a detection without hypothesis, or a score outside of [0, 1].
    """
    rotated_px = np.empty((len(message.detections), 5))
    score = np.empty(len(rotated_px))
    labels = []
    for i, one in enumerate(message.detections):
        if not len(one.results):
            raise DecodeError(f"detection {i} has no hypothesis, so no score")
        best = max(one.results, key=lambda each: each.hypothesis.score).hypothesis
        if not 0 <= best.score <= 1:
            raise DecodeError(f"detection {i}: score {best.score} is not in [0, 1]")
        center, size = one.bbox.center, (one.bbox.size_x, one.bbox.size_y)
        rotated_px[i] = [center.position.x, center.position.y, *size, center.theta]
        score[i] = best.score
        labels.append(best.class_id)
    header = message.header
    return Detections2D(
        frame_id=header.frame_id,
        stamp_ns=stamp_ns(header),
        xyxy_px=around(rotated_px),
        score=score,
        labels=tuple(labels),
        rotated_px=rotated_px if rotated_px[:, 4].any() else None,
    )


def detections2d_to_msg(detections: Detections2D, *, build: Build = build_message) -> Any:
    """A ``vision_msgs/Detection2DArray``; pixels are those of the raw image.

    Where masks or keypoints go with it, ``id`` is the number of the detection, from 1, by which
    they name it.
    """
    named = zip(detections.labels, detections.score.tolist(), strict=True)
    numbered = detections.mask is not None or detections.keypoints is not None
    return _to_msg(
        header_to_msg(detections.stamp_ns, detections.frame_id, build=build),
        _rotated(detections.xyxy_px) if detections.rotated_px is None else detections.rotated_px,
        [[one] for one in named],
        [detection_id(i) if numbered else "" for i in range(len(detections))],
        build=build,
    )


def tracked2d_to_msg(tracks: TrackedBoxes2D, *, build: Build = build_message) -> Any:
    """A ``vision_msgs/Detection2DArray`` whose ``id`` is the UUID.

    Hypotheses are as those of boxes in space: one for each class with a probability above zero,
    the most probable one first, and their scores sum to the existence.
    """
    scores = tracks.score[:, None] * tracks.class_probs
    hypotheses = [
        sorted(
            ((name, one) for name, one in zip(tracks.classes, row, strict=True) if one > 0),
            key=lambda named: -named[1],
        )
        for row in scores.tolist()
    ]
    return _to_msg(
        header_to_msg(tracks.stamp_ns, tracks.frame_id, build=build),
        _rotated(tracks.xyxy_px),
        hypotheses,
        [str(one) for one in tracks.ids],
        build=build,
    )


def detection_id(row: int) -> str:
    """By which masks and keypoints name a detection: its value in the label image."""
    return str(row + 1)


def _rotated(xyxy_px: FloatArray) -> FloatArray:
    """Upright boxes as centre, size and angle."""
    center, size = (xyxy_px[:, :2] + xyxy_px[:, 2:]) / 2, xyxy_px[:, 2:] - xyxy_px[:, :2]
    return np.column_stack([center, size, np.zeros(len(xyxy_px))])


def _to_msg(
    header: Any,
    rotated_px: FloatArray,
    hypotheses: list[list[tuple[str, float]]],
    ids: list[str],
    *,
    build: Build,
) -> Any:
    # a hypothesis in an image has no pose; the field is there all the same
    nowhere = build(
        "geometry_msgs/msg/PoseWithCovariance",
        pose=origin_to_msg(build=build),
        covariance=np.zeros(36),
    )
    return build(
        "vision_msgs/msg/Detection2DArray",
        header=header,
        detections=[
            build(
                "vision_msgs/msg/Detection2D",
                header=header,
                results=[
                    build(
                        "vision_msgs/msg/ObjectHypothesisWithPose",
                        hypothesis=build(
                            "vision_msgs/msg/ObjectHypothesis", class_id=label, score=score
                        ),
                        pose=nowhere,
                    )
                    for label, score in named
                ],
                bbox=build(
                    "vision_msgs/msg/BoundingBox2D",
                    center=build(
                        "vision_msgs/msg/Pose2D",
                        position=build(
                            "vision_msgs/msg/Point2D",
                            x=x,
                            y=y,
                        ),
                        theta=theta,
                    ),
                    size_x=width,
                    size_y=height,
                ),
                id=identity,
            )
            for (x, y, width, height, theta), named, identity in zip(
                rotated_px.tolist(), hypotheses, ids, strict=True
            )
        ],
    )
