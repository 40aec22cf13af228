"""Everything the tracker knows of its objects, one row each, in order of birth."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

FilterState = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]
"""Centres, rotations, twists, covariances, sizes and their variances, as in :class:`Tracks`."""

POSE, TWIST = slice(0, 6), slice(6, 12)
"""Places of the pose error and of the twist in the covariance of a track."""

PLACE, VELOCITY, TURN_RATE = slice(0, 3), slice(6, 9), slice(9, 12)
"""Places of the centre's error and of the two halves of the twist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """Tracks as a structure of arrays in the fixed frame; trusted inside, hence not checked.

    Attributes:
        center_m: float64 [N, 3].
        quat_xyzw: float64 [N, 4], unit; the box's z axis points up more than its x and y axes.
        twist: float64 [N, 6], vx, vy, vz in m/s, wx, wy, wz in rad/s, along the fixed axes.
        covariance: float64 [N, 12, 12] of (x, y, z, rotation about the fixed axes, twist).
        size_lwh_m: float64 [N, 3].
        size_variance_m2: float64 [N, 3].
        log_odds: float64 [N], of being there.
        confirmed: bool [N], was once more probable than the threshold.
        heading: float64 [N, 4], log probability that the heading is k quarter turns from x.
        class_probs: float64 [N, C], over the tracker's vocabulary.
        num_detections: int64 [N].
        last_seen_ns: int64 [N].
        sensors: object [N] of tuples; what saw it in this frame, empty for none.
        ids: object [N] of UUID.
    """

    center_m: FloatArray
    quat_xyzw: FloatArray
    twist: FloatArray
    covariance: FloatArray
    size_lwh_m: FloatArray
    size_variance_m2: FloatArray
    log_odds: FloatArray
    confirmed: NDArray[np.bool_]
    heading: FloatArray
    class_probs: FloatArray
    num_detections: NDArray[np.int64]
    last_seen_ns: NDArray[np.int64]
    sensors: NDArray[Any]
    ids: NDArray[Any]

    def __len__(self) -> int:
        return len(self.center_m)

    @property
    def scale_m(self) -> FloatArray:
        """Diagonals of the boxes, float64 [N]: the unit that lengths are counted in."""
        return diagonal_m(self.size_lwh_m)

    @property
    def state(self) -> FilterState:
        """What the filter works on."""
        return (
            self.center_m,
            self.quat_xyzw,
            self.twist,
            self.covariance,
            self.size_lwh_m,
            self.size_variance_m2,
        )

    def with_state(self, state: FilterState, **values: Any) -> Tracks:
        """The same tracks in another state, and with other values besides."""
        center_m, quat_xyzw, twist, covariance, size_lwh_m, size_variance_m2 = state
        return replace(
            self,
            center_m=center_m,
            quat_xyzw=quat_xyzw,
            twist=twist,
            covariance=covariance,
            size_lwh_m=size_lwh_m,
            size_variance_m2=size_variance_m2,
            **values,
        )

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Tracks:
        """The tracks picked by an integer index or a mask."""
        return Tracks(**{name: getattr(self, name)[index] for name in _NAMES})

    def only(self, mask: NDArray[np.bool_]) -> Tracks:
        """The tracks under a mask; these very ones where that is all."""
        return self if mask.all() else self.rows(mask)

    def with_rows(self, index: NDArray[np.intp], rows: Tracks) -> Tracks:
        """These tracks, with new values for some."""
        values = {}
        for name in _NAMES:
            values[name] = getattr(self, name).copy()
            values[name][index] = getattr(rows, name)
        return Tracks(**values)

    def followed_by(self, other: Tracks) -> Tracks:
        """These tracks and then the others."""
        return Tracks(
            **{
                name: np.concatenate([getattr(self, name), getattr(other, name)])
                for name in _NAMES
            }
        )


_NAMES = tuple(one.name for one in fields(Tracks))  # asking each time is slow


def no_tracks(num_classes: int) -> Tracks:
    """An empty list for a vocabulary of ``num_classes``."""
    return Tracks(
        center_m=np.empty((0, 3)),
        quat_xyzw=np.empty((0, 4)),
        twist=np.empty((0, 6)),
        covariance=np.empty((0, 12, 12)),
        size_lwh_m=np.empty((0, 3)),
        size_variance_m2=np.empty((0, 3)),
        log_odds=np.empty(0),
        confirmed=np.empty(0, dtype=np.bool_),
        heading=np.empty((0, 4)),
        class_probs=np.empty((0, num_classes)),
        num_detections=np.empty(0, dtype=np.int64),
        last_seen_ns=np.empty(0, dtype=np.int64),
        sensors=np.empty(0, dtype=object),
        ids=np.empty(0, dtype=object),
    )


def diagonal_m(size_lwh_m: FloatArray) -> FloatArray:
    """Lengths of the diagonals of boxes, float64 [N]."""
    length: FloatArray = np.sqrt(np.sum(size_lwh_m**2, axis=1))
    return length


def object_array(values: list[Any] | tuple[Any, ...]) -> NDArray[Any]:
    """One-dimensional array of Python objects, also where these are tuples."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
