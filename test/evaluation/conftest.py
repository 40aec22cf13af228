"""Builders of small truths and reports."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D, TrackedObjects, TrackState
from perception_stack.evaluation.truth import TruthFrame
from perception_stack.geometry.transforms import quat_from_yaw


def boxes_at(positions, labels="car", *, stamp_ns=0, score=1.0, frame_id="odom", **changes):
    """Boxes 4 x 2 x 1.5 m, or ``size``, at [N, 2] or [N, 3]; one label for all or one for each."""
    center = np.asarray(positions, dtype=float)
    center = center.reshape(len(center), -1) if center.size else np.empty((0, 3))
    if center.shape[1] == 2:
        center = np.column_stack([center, np.zeros(len(center))])
    num = len(center)
    labels = [labels] * num if isinstance(labels, str) else list(labels)
    classes = tuple(dict.fromkeys([*labels, "unknown"]))
    probs = np.array([[float(name == label) for name in classes] for label in labels])
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        center_m=center,
        quat_xyzw=quat_from_yaw(np.broadcast_to(changes.get("yaw_rad", 0.0), num)),
        size_lwh_m=np.tile(np.asarray(changes.get("size", (4.0, 2.0, 1.5)), float), (num, 1)),
        covariance=np.zeros((num, 6, 6)),
        score=np.broadcast_to(np.asarray(score, dtype=float), num),
        classes=classes,
        class_probs=probs.reshape(num, len(classes)),
        sensors=(("lidar",),) * num,
    )


def truth_at(positions, labels="car", *, ids=None, ignored=(), view=None, **changes):
    boxes = boxes_at(positions, labels, **changes)
    mask = np.zeros(len(boxes), dtype=bool)
    mask[list(ignored)] = True
    return TruthFrame(
        boxes=boxes,
        ids=tuple(ids if ids is not None else map(str, range(len(boxes)))),
        ignored=mask,
        sensor_m=np.zeros(3),
        view=view,
    )


def objects_at(positions, labels="car", *, ids=None, state=TrackState.CONFIRMED, **changes):
    boxes = boxes_at(positions, labels, **changes)
    num = len(boxes)
    ids = range(num) if ids is None else ids
    return TrackedObjects(
        boxes=boxes,
        ids=tuple(UUID(int=number) for number in ids),
        state=np.broadcast_to(np.asarray(state, dtype=np.uint8), num),
        velocity_mps=np.tile([3.0, 0.0, 0.0], (num, 1)),
        angular_velocity_radps=np.zeros((num, 3)),
        twist_covariance=np.zeros((num, 6, 6)),
        acceleration_mps2=np.full((num, 3), np.nan),
        size_covariance=np.zeros((num, 3, 3)),
        orientation_known=np.ones(num, dtype=bool),
        stationary=np.zeros(num, dtype=bool),
        num_detections=np.ones(num, dtype=np.int64),
        last_seen_ns=np.zeros(num, dtype=np.int64),
    )


@pytest.fixture(scope="session")
def make_boxes():
    return boxes_at


@pytest.fixture(scope="session")
def make_truth():
    return truth_at


@pytest.fixture(scope="session")
def make_objects():
    return objects_at
