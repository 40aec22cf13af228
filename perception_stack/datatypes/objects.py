"""The tracked list, and what is said about one frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes.boxes import Boxes3D
from perception_stack.datatypes.checks import FloatArray, check_array, check_rows


class TrackState(IntEnum):
    """How far a track is to be trusted; values as in ``msg/TrackedObject.msg``."""

    TENTATIVE = 1
    CONFIRMED = 2
    COASTING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedObjects:
    """The product: the tracked list at one stamp, in a fixed frame.

    Attributes:
        boxes: Poses, sizes, class probabilities and covariances of the objects; ``score`` is the
            existence probability and ``sensors`` what saw the object in this frame.
        ids: N identities, the same for an object in all frames of a run.
        state: uint8 [N] of :class:`TrackState`.
        velocity_mps: float64 [N, 3], of the centre, along the axes of the fixed frame.
        angular_velocity_radps: float64 [N, 3], about the axes of the fixed frame.
        twist_covariance: float64 [N, 6, 6] of (vx, vy, vz, wx, wy, wz).
        acceleration_mps2: float64 [N, 3]; NaN where it is not estimated.
        size_covariance: float64 [N, 3, 3], m².
        orientation_known: bool [N]; False where yaw is only known up to a half turn.
        stationary: bool [N]; velocity not distinguishable from zero.
        num_detections: int64 [N], detections used since birth.
        last_seen_ns: int64 [N], stamp of the newest detection used.
    """

    boxes: Boxes3D
    ids: tuple[UUID, ...]
    state: NDArray[np.uint8]
    velocity_mps: FloatArray
    angular_velocity_radps: FloatArray
    twist_covariance: FloatArray
    acceleration_mps2: FloatArray
    size_covariance: FloatArray
    orientation_known: NDArray[np.bool_]
    stationary: NDArray[np.bool_]
    num_detections: NDArray[np.int64]
    last_seen_ns: NDArray[np.int64]

    def __post_init__(self) -> None:
        num = len(self.boxes)
        check_rows("ids", self.ids, num)
        check_array("state", self.state, np.uint8, num)
        check_array("velocity_mps", self.velocity_mps, np.float64, num, 3)
        check_array("angular_velocity_radps", self.angular_velocity_radps, np.float64, num, 3)
        check_array("twist_covariance", self.twist_covariance, np.float64, num, 6, 6)
        check_array("acceleration_mps2", self.acceleration_mps2, np.float64, num, 3)
        check_array("size_covariance", self.size_covariance, np.float64, num, 3, 3)
        check_array("orientation_known", self.orientation_known, np.bool_, num)
        check_array("stationary", self.stationary, np.bool_, num)
        check_array("num_detections", self.num_detections, np.int64, num)
        check_array("last_seen_ns", self.last_seen_ns, np.int64, num)

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the sensor frame the list is true at."""
        return self.boxes.stamp_ns

    @property
    def frame_id(self) -> str:
        """The fixed frame of every pose."""
        return self.boxes.frame_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Processing time of one step on one frame, measured apart from the result."""

    step: str
    stamp_ns: int
    duration_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameResult:
    """Everything the chain says about one frame.

    Attributes:
        objects: The tracked list.
        detections: The 3-D boxes it was updated with, in the fixed frame.
    """

    objects: TrackedObjects
    detections: Boxes3D

    @property
    def stamp_ns(self) -> int:
        """Stamp of the sensor frame."""
        return self.objects.stamp_ns
