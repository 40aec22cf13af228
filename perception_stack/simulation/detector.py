"""A 2-D detector of the usual imperfection, for when there is no network to run.

Deterministic for a given random generator; the rates are those of a small real-time network, by
order of magnitude, not fitted to any.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import Boxes3D, Detections2D, FloatArray
from perception_stack.geometry.camera import CameraModel
from perception_stack.simulation.scene import Visibility

_RECALL = 0.96
_SMALLEST_PX, _SURE_PX = 8.0, 28.0
_HIDDEN, _FREE = 0.8, 0.4
_CONFUSION = 0.02
_BORDER_SIGMA_PX, _BORDER_SIGMA_SHARE = 0.7, 0.015
_SCORE_SIGMA = 0.06
_FALSE_ALARMS = 0.25


def simulate_detections(
    truth: Boxes3D,
    visibility: Visibility,
    camera: CameraModel,
    rng: np.random.Generator,
) -> Detections2D:
    """Boxes that a detector might find in the frame's image, best score first.

    The chance to be found falls with the occluded share (sure up to 40 %, none from 80 %) and
    with the height (sure from 28 px, none below 8 px). Borders are off by 0.7 px + 1.5 % of the
    size, 2 % of the labels are wrong, and a false alarm comes with every fourth image.

    Args:
        truth: N true objects.
        visibility: How much is seen of each.
        camera: Of the image.
        rng: Decides on everything.
    """
    num, num_classes = len(truth), len(truth.classes)
    free = np.where(np.isnan(visibility.image_occluded), 1.0, visibility.image_occluded)
    size_px = visibility.xyxy_px[:, 2:] - visibility.xyxy_px[:, :2]
    tall = np.nan_to_num((size_px[:, 1] - _SMALLEST_PX) / (_SURE_PX - _SMALLEST_PX))
    clarity = np.clip((_HIDDEN - free) / (_HIDDEN - _FREE), 0, 1) * np.clip(tall, 0, 1)
    found = rng.random(num) < _RECALL * clarity
    sigma_px = _BORDER_SIGMA_PX + _BORDER_SIGMA_SHARE * np.tile(size_px, 2)
    xyxy_px = visibility.xyxy_px + sigma_px * rng.standard_normal((num, 4))
    score = 0.45 + 0.45 * clarity + _SCORE_SIGMA * rng.standard_normal(num)
    confused = rng.random(num) < _CONFUSION
    label_idx = np.where(
        confused, rng.integers(num_classes, size=num), np.argmax(truth.class_probs, axis=1)
    )

    num_false = rng.poisson(_FALSE_ALARMS)
    ghosts_px = _false_alarms(num_false, camera, rng)
    xyxy_px = np.concatenate([xyxy_px[found], ghosts_px])
    score = np.concatenate([score[found], rng.uniform(0.2, 0.55, num_false)])
    label_idx = np.concatenate([label_idx[found], rng.integers(num_classes, size=num_false)])

    limit = np.array([camera.width_px, camera.height_px] * 2) - 0.5
    xyxy_px = np.clip(xyxy_px, -0.5, limit)
    order = np.argsort(-score, kind="stable")
    order = order[(xyxy_px[order, 2:] > xyxy_px[order, :2]).all(axis=1)]
    return Detections2D(
        frame_id=camera.frame_id,
        stamp_ns=truth.stamp_ns,
        xyxy_px=xyxy_px[order],
        score=np.clip(score[order], 0.05, 0.99),
        labels=tuple(truth.classes[i] for i in label_idx[order]),
    )


def _false_alarms(num: int, camera: CameraModel, rng: np.random.Generator) -> FloatArray:
    """Boxes of the size of a person or a car anywhere in the image, float64 [num, 4]."""
    image_px = np.array([camera.width_px, camera.height_px], dtype=np.float64)
    center_px = rng.random((num, 2)) * image_px
    half_px = rng.uniform(0.04, 0.15, (num, 2)) * camera.height_px
    return np.concatenate([center_px - half_px, center_px + half_px], axis=1)
