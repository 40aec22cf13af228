"""``vision_msgs/Detection3DArray``: boxes on the wire, and ground truth.

A box has one hypothesis for each class with a probability above zero, whose score is existence
times class probability, so the scores of a box sum to its existence. ``Detection3D.id`` names the
sensors that saw it, joined by ``+``; in ground truth it is the identity of the object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.errors import DecodeError, FrameMismatchError
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.headers import Build, header_to_msg, stamp_ns
from perception_stack.io.messages.transforms import pose_to_msg, vector_to_msg, xyz_of, xyzw_of

_SEPARATOR = "+"
_UNIT_TOLERANCE = 1e-3
_SCORE_TOLERANCE = 1e-6


def boxes3d_from_msg(message: Any) -> Boxes3D:
    """Boxes of detections, in the frame and at the stamp of the array.

    Classes come sorted by name. Scores of existence zero leave the classes equally probable.

    Args:
        message: ``vision_msgs/Detection3DArray``.

    Raises:
        DecodeError: a detection without hypothesis, scores that are no probabilities, or an
            orientation that is not of unit length.
        FrameMismatchError: a detection names another frame than the array.
    """
    header, detections = message.header, message.detections
    pose = [
        (
            *xyz_of(one.bbox.center.position),
            *xyzw_of(one.bbox.center.orientation),
            *xyz_of(one.bbox.size),
        )
        for one in detections
    ]
    return boxes_of(
        frame_id=header.frame_id,
        stamp_ns=stamp_ns(header),
        frames=[one.header.frame_id for one in detections],
        hypotheses=[
            [(each.hypothesis.class_id, each.hypothesis.score) for each in one.results]
            for one in detections
        ],
        pose=np.array(pose).reshape(-1, 10),
        covariance=lambda: np.array([one.results[0].pose.covariance for one in detections]),
        ids=[one.id for one in detections],
    )


def boxes_of(
    *,
    frame_id: str,
    stamp_ns: int,
    frames: Sequence[str],
    hypotheses: Sequence[Sequence[tuple[str, float]]],
    pose: FloatArray,
    covariance: Callable[[], FloatArray],
    ids: Sequence[str],
) -> Boxes3D:
    """Boxes of what the message says of each, checked.

    Args:
        frame_id: Of the array.
        stamp_ns: Of the array.
        frames: What each detection names as its frame; "" for that of the array.
        hypotheses: Class and score of each.
        pose: float64 [N, 10], centre, quaternion x, y, z, w, and size.
        covariance: Gives that of the first hypothesis of each, [N, 36].
        ids: The sensors of each, joined.

    Raises:
        DecodeError: as :func:`boxes3d_from_msg`.
        FrameMismatchError: as :func:`boxes3d_from_msg`.
    """
    empty = Boxes3D.empty(frame_id=frame_id, stamp_ns=stamp_ns)
    if not len(frames):
        return empty
    for i, frame in enumerate(frames):
        if frame not in ("", frame_id):
            raise FrameMismatchError(f"detection {i}", expected=frame_id, received=frame)
        if not len(hypotheses[i]):
            raise DecodeError(f"detection {i} has no hypothesis, so no score and no covariance")
    score, classes, class_probs = beliefs(hypotheses)
    check_quats(pose[:, 3:7])
    return replace(
        empty,
        center_m=pose[:, :3],
        quat_xyzw=pose[:, 3:7],
        size_lwh_m=pose[:, 7:],
        covariance=covariance().astype(np.float64).reshape(-1, 6, 6),
        score=score,
        classes=classes,
        class_probs=class_probs,
        sensors=tuple(tuple(sorted(filter(None, one.split(_SEPARATOR)))) for one in ids),
    )


def sensors_text(sensors: Sequence[str]) -> str:
    """How the message names the sensors of a box."""
    return _SEPARATOR.join(sensors)


def boxes3d_to_msg(boxes: Boxes3D, *, build: Build = build_message) -> Any:
    """A ``vision_msgs/Detection3DArray``; ids name the sensors."""
    return _to_msg(boxes, [sensors_text(one) for one in boxes.sensors], build)


def truth_from_msg(message: Any) -> tuple[Boxes3D, tuple[str, ...]]:
    """Ground truth: boxes that no sensor saw, and the identity of each.

    Raises:
        DecodeError: as :func:`boxes3d_from_msg`.
        FrameMismatchError: as :func:`boxes3d_from_msg`.
    """
    boxes = boxes3d_from_msg(message)
    ids = tuple(one.id for one in message.detections)
    return replace(boxes, sensors=((),) * len(boxes)), ids


def truth_to_msg(boxes: Boxes3D, ids: Sequence[str], *, build: Build = build_message) -> Any:
    """A ``vision_msgs/Detection3DArray`` of ground truth, which carries identities.

    Raises:
        DecodeError: not one identity for each box.
    """
    if len(ids) != len(boxes):
        raise DecodeError(f"{len(ids)} identities for {len(boxes)} boxes")
    return _to_msg(boxes, ids, build)


def beliefs(
    hypotheses: Sequence[Sequence[tuple[str, float]]],
) -> tuple[FloatArray, tuple[str, ...], FloatArray]:
    """Existence and class probabilities of scored hypotheses, at least one for each object.

    Scores that sum to more than 1 come from a detector that scores each class by itself; the
    object then exists as surely as its best class.

    Returns:
        existence float64 [N]; C class names, sorted; class probabilities float64 [N, C].

    Raises:
        DecodeError: a score that is negative, above 1 or NaN.
    """
    classes = tuple(sorted({name for one in hypotheses for name, _ in one}))
    column = {name: i for i, name in enumerate(classes)}
    scores = np.zeros((len(hypotheses), len(classes)))
    named = np.zeros_like(scores)
    for row, one in enumerate(hypotheses):
        for name, score in one:
            scores[row, column[name]] += score
            named[row, column[name]] = 1
    total = scores.sum(axis=1)
    # written so that NaN fails
    good = ((scores >= 0) & (scores <= 1 + _SCORE_TOLERANCE)).all(axis=1)
    if not good.all():
        row = int(np.argmin(good))
        text = ", ".join(f"{name} {score:g}" for name, score in hypotheses[row])
        raise DecodeError(f"scores of detection {row} are no probabilities: {text}")
    alone = total > 1 + _SCORE_TOLERANCE
    existence = np.where(alone, scores.max(axis=1, initial=0.0), total)
    weights = np.where(existence[:, None] > 0, scores, named)
    class_probs = weights / weights.sum(axis=1, keepdims=True)
    return np.minimum(existence, 1.0), classes, class_probs


def check_quats(quat_xyzw: FloatArray) -> None:
    """Refuse orientations that are none, float64 [N, 4].

    Raises:
        DecodeError: one is not of unit length within 1e-3.
    """
    length = np.linalg.norm(quat_xyzw, axis=1)
    bad = ~(np.abs(length - 1) < _UNIT_TOLERANCE)  # True for NaN
    if bad.any():
        row = int(np.argmax(bad))
        raise DecodeError(f"orientation of box {row} has length {length[row]:.4g}, not 1")


def _to_msg(boxes: Boxes3D, ids: Sequence[str], build: Build) -> Any:
    header = header_to_msg(boxes.stamp_ns, boxes.frame_id, build=build)
    detections = []
    for i, name in enumerate(ids):
        pose = pose_to_msg(boxes.center_m[i], boxes.quat_xyzw[i], build=build)
        with_covariance = build(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=pose,
            covariance=np.ascontiguousarray(boxes.covariance[i]).ravel(),
        )
        size = vector_to_msg(boxes.size_lwh_m[i], build=build)
        detections.append(
            build(
                "vision_msgs/msg/Detection3D",
                header=header,
                results=[
                    build(
                        "vision_msgs/msg/ObjectHypothesisWithPose",
                        hypothesis=build(
                            "vision_msgs/msg/ObjectHypothesis",
                            class_id=class_id,
                            score=float(boxes.score[i] * probability),
                        ),
                        pose=with_covariance,
                    )
                    for class_id, probability in zip(
                        boxes.classes, boxes.class_probs[i], strict=True
                    )
                    if probability > 0
                ],
                bbox=build("vision_msgs/msg/BoundingBox3D", center=pose, size=size),
                id=name,
            )
        )
    return build("vision_msgs/msg/Detection3DArray", header=header, detections=detections)
