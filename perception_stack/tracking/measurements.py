"""Detections of one frame made ready: unusable rows out, one order, one shape, stated noise."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.journal import Journal, Reason
from perception_stack.tracking.classification import likelihood, spread
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.tracks import diagonal_m, object_array

MeasuredState = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]
"""Centres, rotations, pose noise, sizes and noise of ends, as in :class:`Measurements`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """Usable detections, sorted by what they say and not by how they came.

    Attributes:
        center_m: float64 [M, 3].
        quat_xyzw: float64 [M, 4], unit, upright.
        size_lwh_m: float64 [M, 3].
        noise: float64 [M, 6, 6] of the pose, positive definite.
        ends_noise_m2: float64 [M, 3], variance of each side for ends that were not seen.
        yaw_variance_rad2: float64 [M], as the detector states it.
        score: float64 [M].
        class_probs: float64 [M, V] over the tracker's vocabulary.
        class_likelihood: float64 [M, V].
        sensors: object [M] of tuples.
    """

    center_m: FloatArray
    quat_xyzw: FloatArray
    size_lwh_m: FloatArray
    noise: FloatArray
    ends_noise_m2: FloatArray
    yaw_variance_rad2: FloatArray
    score: FloatArray
    class_probs: FloatArray
    class_likelihood: FloatArray
    sensors: NDArray[Any]

    def __len__(self) -> int:
        return len(self.center_m)

    @property
    def scale_m(self) -> FloatArray:
        """Diagonals of the boxes, float64 [M]."""
        return diagonal_m(self.size_lwh_m)

    @property
    def state(self) -> MeasuredState:
        """What the filter takes."""
        return self.center_m, self.quat_xyzw, self.noise, self.size_lwh_m, self.ends_noise_m2

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Measurements:
        """The detections picked by an integer index or a mask."""
        return Measurements(**{name: getattr(self, name)[index] for name in _NAMES})


_NAMES = tuple(one.name for one in fields(Measurements))  # asking each time is slow


def measurements_from_boxes(
    boxes: Boxes3D, *, vocabulary: tuple[str, ...], config: TrackerConfig, journal: Journal
) -> Measurements:
    """Detections as the filter takes them.

    Args:
        boxes: Detections in the fixed frame, in any order.
        vocabulary: Sorted class names, among them those of ``boxes``.
        config: Noise floors.
        journal: Told of the rows left out.
    """
    from perception_stack.tracking.kernels.detections import prepared

    is_usable = _is_usable(boxes)
    usable = boxes if is_usable.all() else boxes.rows(is_usable)
    probs = spread(usable.class_probs, usable.classes, vocabulary=vocabulary)
    floor = config.position_noise_per_size, config.rotation_noise_rad, config.axis_noise_rad
    quat, size, noise, ends_noise = prepared(
        usable.quat_xyzw, usable.size_lwh_m, usable.covariance, floor
    )
    measurements = Measurements(
        center_m=usable.center_m,
        quat_xyzw=quat,
        size_lwh_m=size,
        noise=noise,
        ends_noise_m2=ends_noise,
        yaw_variance_rad2=usable.covariance[:, 5, 5],
        score=usable.score,
        class_probs=probs,
        class_likelihood=likelihood(probs, vocabulary, config),
        sensors=object_array(usable.sensors),
    )
    measurements = _positive_definite(measurements)
    journal.count(
        Reason.NON_FINITE_BOXES,
        stamp_ns=boxes.stamp_ns,
        detail="boxes with NaN, infinite or impossible values were left out",
        num=len(boxes) - len(measurements),
    )
    return measurements.rows(_order(measurements))


def _is_usable(boxes: Boxes3D) -> NDArray[np.bool_]:
    values = np.concatenate(
        [
            boxes.center_m,
            boxes.quat_xyzw,
            boxes.size_lwh_m,
            boxes.covariance.reshape(-1, 36),
            boxes.score[:, None],
            boxes.class_probs,
        ],
        axis=1,
    )
    usable: NDArray[np.bool_] = (
        np.isfinite(values).all(axis=1)
        & (boxes.size_lwh_m > 0).all(axis=1)
        & (boxes.quat_xyzw != 0).any(axis=1)
        & (boxes.score >= 0)
        & (boxes.score <= 1)
    )
    return usable


def _positive_definite(measurements: Measurements) -> Measurements:
    try:
        np.linalg.cholesky(measurements.noise)
    except np.linalg.LinAlgError:
        return measurements.rows(np.linalg.eigvalsh(measurements.noise)[:, 0] > 0)
    return measurements


def _order(measurements: Measurements) -> NDArray[np.intp]:
    """Order by position, then by all else; equal rows are interchangeable."""
    keys = np.concatenate(
        [
            measurements.center_m,
            measurements.score[:, None],
            measurements.size_lwh_m,
            measurements.quat_xyzw,
            measurements.class_probs,
            np.diagonal(measurements.noise, axis1=1, axis2=2),
        ],
        axis=1,
    )
    order: NDArray[np.intp] = np.lexsort(keys.T[::-1])
    return order
