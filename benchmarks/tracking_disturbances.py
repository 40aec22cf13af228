"""Detections of a sequence with something wrong with them, for benchmarks/tracking.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from perception_stack.datatypes import Boxes3D
from perception_stack.evaluation.matching import assign
from perception_stack.geometry.overlap import iou_3d
from perception_stack.io.kitti.labels import KittiLabels
from perception_stack.io.kitti.sequences import TrackingSequence

Inputs = dict[int, Boxes3D]
"""Detections by frame number; a frame that is absent never arrived."""

_FRAMES, _DETECTIONS, _JITTER_S, _HIT = 0.2, 0.3, 0.05, 0.1


def frames_removed(
    sequence: TrackingSequence, _: dict[int, KittiLabels], rng: np.random.Generator
) -> Inputs:
    """One frame in five never arrives; only those that do are judged."""
    arrives = rng.random(len(sequence)) >= _FRAMES
    return {i: boxes for i, boxes in enumerate(sequence.detections) if arrives[i]}


def stamps_jittered(
    sequence: TrackingSequence, _: dict[int, KittiLabels], rng: np.random.Generator
) -> Inputs:
    """Stamps are up to 50 ms early or late, which keeps their order; the boxes are what was."""
    off_ns = np.rint(rng.uniform(-_JITTER_S, _JITTER_S, len(sequence)) * 1e9).astype(int)
    return {
        i: replace(boxes, stamp_ns=boxes.stamp_ns + int(off_ns[i]))
        for i, boxes in enumerate(sequence.detections)
    }


def detections_removed(
    sequence: TrackingSequence, _: dict[int, KittiLabels], rng: np.random.Generator
) -> Inputs:
    """Three detections in ten are lost."""
    return {
        i: boxes.rows(rng.random(len(boxes)) >= _DETECTIONS)
        for i, boxes in enumerate(sequence.detections)
    }


def clutter_doubled(
    sequence: TrackingSequence, labels: dict[int, KittiLabels], rng: np.random.Generator
) -> Inputs:
    """Each frame also gets the false detections of another, wherever the camera is by then."""
    other = rng.permutation(len(sequence))
    return {
        i: _together(boxes, _false(sequence.detections[other[i]], labels.get(int(other[i]))))
        for i, boxes in enumerate(sequence.detections)
    }


DISTURBANCES: dict[
    str, Callable[[TrackingSequence, dict[int, KittiLabels], np.random.Generator], Inputs]
] = {
    "20 % of frames removed": frames_removed,
    "50 ms stamp jitter": stamps_jittered,
    "30 % of detections removed": detections_removed,
    "twice the clutter": clutter_doubled,
}


def _false(boxes: Boxes3D, labels: KittiLabels | None) -> Boxes3D:
    """Detections of a frame that hardly touch anything labelled."""
    if labels is None or len(labels.boxes) == 0:
        return boxes
    _, hits = assign(iou_3d(labels.boxes, boxes), threshold=_HIT)
    return boxes.rows(np.setdiff1d(np.arange(len(boxes)), hits))


def _together(first: Boxes3D, second: Boxes3D) -> Boxes3D:
    """Both, with the frame and stamp of the first."""
    classes = tuple(sorted({*first.classes, *second.classes}))
    names = ("center_m", "quat_xyzw", "size_lwh_m", "covariance", "score")
    labels = [*first.labels, *second.labels]
    return replace(
        first,
        **{
            name: np.concatenate([getattr(one, name) for one in (first, second)]) for name in names
        },
        classes=classes,
        class_probs=np.eye(len(classes))[[classes.index(label) for label in labels]].reshape(
            len(labels), len(classes)
        ),
        sensors=(*first.sensors, *second.sensors),
    )
