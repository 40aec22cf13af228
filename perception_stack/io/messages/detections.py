"""``vision_msgs/Detection2DArray``: boxes in an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import Detections2D, FloatArray, TrackedBoxes2D
from perception_stack.errors import DecodeError
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.headers import Build, header_to_msg, stamp_ns


def detections2d_from_msg(message: Any) -> Detections2D:
    """Upright boxes, each with its best hypothesis.

    A rotated box becomes the smallest upright one around it.

    Args:
        message: ``vision_msgs/Detection2DArray``.

    Raises:
        DecodeError: a detection without hypothesis, or a score outside of [0, 1].
    """
    xyxy_px = np.empty((len(message.detections), 4))
    score = np.empty(len(xyxy_px))
    labels = []
    for i, one in enumerate(message.detections):
        if not len(one.results):
            raise DecodeError(f"detection {i} has no hypothesis, so no score")
        best = max(one.results, key=lambda each: each.hypothesis.score).hypothesis
        if not 0 <= best.score <= 1:
            raise DecodeError(f"detection {i}: score {best.score} is not in [0, 1]")
        center, size = one.bbox.center, np.array([one.bbox.size_x, one.bbox.size_y])
        cosine, sine = abs(np.cos(center.theta)), abs(np.sin(center.theta))
        half = np.array([[cosine, sine], [sine, cosine]]) @ size / 2
        middle = np.array([center.position.x, center.position.y])
        xyxy_px[i] = [*(middle - half), *(middle + half)]
        score[i] = best.score
        labels.append(best.class_id)
    header = message.header
    return Detections2D(
        frame_id=header.frame_id,
        stamp_ns=stamp_ns(header),
        xyxy_px=xyxy_px,
        score=score,
        labels=tuple(labels),
    )


def detections2d_to_msg(detections: Detections2D, *, build: Build = build_message) -> Any:
    """A ``vision_msgs/Detection2DArray``; pixels are those of the raw image."""
    named = zip(detections.labels, detections.score.tolist(), strict=True)
    return _to_msg(
        header_to_msg(detections.stamp_ns, detections.frame_id, build=build),
        detections.xyxy_px,
        [[one] for one in named],
        [""] * len(detections),
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
        tracks.xyxy_px,
        hypotheses,
        [str(one) for one in tracks.ids],
        build=build,
    )


def _to_msg(
    header: Any,
    xyxy_px: FloatArray,
    hypotheses: list[list[tuple[str, float]]],
    ids: list[str],
    *,
    build: Build,
) -> Any:
    # a hypothesis in an image has no pose; the field is there all the same
    nowhere = build(
        "geometry_msgs/msg/PoseWithCovariance",
        pose=build(
            "geometry_msgs/msg/Pose",
            position=build("geometry_msgs/msg/Point", x=0.0, y=0.0, z=0.0),
            orientation=build("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        ),
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
                            x=(left + right) / 2,
                            y=(top + bottom) / 2,
                        ),
                        theta=0.0,
                    ),
                    size_x=right - left,
                    size_y=bottom - top,
                ),
                id=identity,
            )
            for (left, top, right, bottom), named, identity in zip(
                xyxy_px.tolist(), hypotheses, ids, strict=True
            )
        ],
    )
