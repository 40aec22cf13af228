"""``vision_msgs/Detection3DArray``: boxes on the wire, and ground truth.

A box has one hypothesis for each class with a probability above zero, whose score is existence
times class probability, so the scores of a box sum to its existence. ``Detection3D.id`` names the
sensors that saw it, joined by ``+``; in ground truth it is the identity of the object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.errors import DecodeError, FrameMismatchError
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.headers import Build, header_to_msg, stamp_ns
from perception_stack.io.messages.transforms import pose_to_msg, vector_to_msg, xyz_of, xyzw_of

_SEPARATOR = "+"
_UNIT_TOLERANCE = 1e-3
_SCORE_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypotheses:
    """Scored classes of N objects, M in all, those of an object one after the other.

    Attributes:
        num_objects: N.
        of_object: int64 [M], ascending.
        names: Texts, classes among them.
        name: int64 [M], which of them is the class.
        score: float64 [M].
    """

    num_objects: int
    of_object: NDArray[np.int64]
    names: Sequence[str]
    name: NDArray[np.int64]
    score: FloatArray

    @classmethod
    def of(cls, objects: Iterable[Sequence[tuple[str, float]]]) -> Hypotheses:
        """Of class and score of each of each object."""
        each = list(objects)
        flat = [one for mine in each for one in mine]
        return cls(
            num_objects=len(each),
            of_object=np.repeat(np.arange(len(each)), [len(mine) for mine in each]),
            names=[name for name, _ in flat],
            name=np.arange(len(flat)),
            score=np.array([score for _, score in flat], dtype=np.float64),
        )

    @property
    def first(self) -> NDArray[np.int64]:
        """[N], which hypothesis is the first of each object that has one."""
        return np.searchsorted(self.of_object, np.arange(self.num_objects))

    @property
    def without(self) -> NDArray[np.int64]:
        """Objects that have none."""
        return np.flatnonzero(np.bincount(self.of_object, minlength=self.num_objects) == 0)

    def of_row(self, row: int) -> list[tuple[str, float]]:
        """Class and score of those of one object."""
        mine = np.flatnonzero(self.of_object == row)
        return [(self.names[self.name[i]], float(self.score[i])) for i in mine]


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
        hypotheses=Hypotheses.of(
            [(each.hypothesis.class_id, each.hypothesis.score) for each in one.results]
            for one in detections
        ),
        pose=np.array(pose).reshape(-1, 10),
        covariance=lambda: np.array([one.results[0].pose.covariance for one in detections]),
        ids=[one.id for one in detections],
    )


def boxes_of(
    *,
    frame_id: str,
    stamp_ns: int,
    frames: Sequence[str],
    hypotheses: Hypotheses,
    pose: FloatArray,
    covariance: Callable[[], FloatArray],
    ids: Sequence[str],
) -> Boxes3D:
    """Boxes of what the message says of each, checked.

    Args:
        frame_id: Of the array.
        stamp_ns: Of the array.
        frames: What each detection names as its frame; "" for that of the array.
        hypotheses: Of each.
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
    for frame in set(frames) - {"", frame_id}:
        which = f"detection {frames.index(frame)}"
        raise FrameMismatchError(which, expected=frame_id, received=frame)
    without = hypotheses.without
    if len(without):
        which = f"detection {without[0]}"
        raise DecodeError(f"{which} has no hypothesis, so no score and no covariance")
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
        sensors=tuple(map(_sensors, ids)),
    )


@lru_cache(maxsize=1024)
def _sensors(text: str) -> tuple[str, ...]:
    return tuple(sorted(filter(None, text.split(_SEPARATOR))))


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


def beliefs(hypotheses: Hypotheses) -> tuple[FloatArray, tuple[str, ...], FloatArray]:
    """Existence and class probabilities of scored hypotheses, at least one for each object.

    Scores that sum to more than 1 come from a detector that scores each class by itself; the
    object then exists as surely as its best class.

    Returns:
        existence float64 [N]; C class names, sorted; class probabilities float64 [N, C].

    Raises:
        DecodeError: a score that is negative, above 1 or NaN.
    """
    used = [hypotheses.names[i] for i in np.unique(hypotheses.name)]
    classes = tuple(sorted(set(used)))
    column = {name: i for i, name in enumerate(classes)}
    of_name = np.array([column.get(name, -1) for name in hypotheses.names], dtype=np.intp)
    place = (hypotheses.of_object, of_name[hypotheses.name])
    scores = np.zeros((hypotheses.num_objects, len(classes)))
    named = np.zeros_like(scores)
    np.add.at(scores, place, hypotheses.score)
    named[place] = 1
    total = scores.sum(axis=1)
    # written so that NaN fails
    good = ((scores >= 0) & (scores <= 1 + _SCORE_TOLERANCE)).all(axis=1)
    if not good.all():
        row = int(np.argmin(good))
        text = ", ".join(f"{name} {score:g}" for name, score in hypotheses.of_row(row))
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
