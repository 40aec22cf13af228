"""What stands there to be grasped, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes.boxes import Boxes3D
from perception_stack.datatypes.checks import FloatArray, check_array, check_rows
from perception_stack.errors import ShapeError


class ShapeKind(IntEnum):
    """What an object is stood for by; values as in ``msg/SceneObject.msg``."""

    BOX = 0
    CYLINDER = 1
    SPHERE = 2
    PRISM = 3
    MODEL = 4


class GraspSource(IntEnum):
    """Where a grasp comes from; values as in ``msg/Grasp.msg``."""

    LIBRARY = 1
    MODEL = 2
    SEEN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneObjects:
    """What stands there to be grasped, and what it stands on.

    Attributes:
        boxes: Pose, size and class of each; ``score`` is the share of what is seen that its shape
            explains.
        ids: N identities of tracked objects; None where there is none.
        shape: uint8 [N] of :class:`ShapeKind`.
        size_covariance: float64 [N, 3, 3], m².
        support: float64 [4], normal n and offset d of the plane they stand on: ``n·p + d`` is the
            height above it; NaN where none is known.
        on_support: bool [N].
        touches: bool [N, N], symmetric.
        stands_on: bool [N, N], object i is carried by object j.
        reasons: Why an object has no grasp, a code of :class:`~perception_stack.journal.Reason`;
            empty for one that has.
    """

    boxes: Boxes3D
    ids: tuple[UUID | None, ...]
    shape: NDArray[np.uint8]
    size_covariance: FloatArray
    support: FloatArray
    on_support: NDArray[np.bool_]
    touches: NDArray[np.bool_]
    stands_on: NDArray[np.bool_]
    reasons: tuple[str, ...]

    def __post_init__(self) -> None:
        num = len(self.boxes)
        check_rows("ids", self.ids, num)
        check_array("shape", self.shape, np.uint8, num)
        check_array("size_covariance", self.size_covariance, np.float64, num, 3, 3)
        check_array("support", self.support, np.float64, 4)
        check_array("on_support", self.on_support, np.bool_, num)
        check_array("touches", self.touches, np.bool_, num, num)
        check_array("stands_on", self.stands_on, np.bool_, num, num)
        check_rows("reasons", self.reasons, num)

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grasps:
    """Ways to take hold of the objects of a scene, best first.

    The grasp frame lies between the finger tips: x ahead along the approach, y along the closing
    direction.

    Attributes:
        objects: What they are of; frame and stamp are theirs, too.
        object_idx: int64 [G], row in ``objects``.
        source: uint8 [G] of :class:`GraspSource`.
        position_m: float64 [G, 3].
        quat_xyzw: float64 [G, 4].
        opening_m: float64 [G], between the fingers before closing.
        width_m: float64 [G], between them when they touch.
        approach_m: float64 [G], free way to come along x.
        score: float64 [G], in [0, 1].
    """

    objects: SceneObjects
    object_idx: NDArray[np.int64]
    source: NDArray[np.uint8]
    position_m: FloatArray
    quat_xyzw: FloatArray
    opening_m: FloatArray
    width_m: FloatArray
    approach_m: FloatArray
    score: FloatArray

    def __post_init__(self) -> None:
        num = len(self.position_m)
        check_array("position_m", self.position_m, np.float64, None, 3)
        check_array("quat_xyzw", self.quat_xyzw, np.float64, num, 4)
        check_array("object_idx", self.object_idx, np.int64, num)
        check_array("source", self.source, np.uint8, num)
        for name in ("opening_m", "width_m", "approach_m", "score"):
            check_array(name, getattr(self, name), np.float64, num)
        if num and not (self.object_idx.min() >= 0 and self.object_idx.max() < len(self.objects)):
            expected = f"rows of {len(self.objects)} objects"
            raise ShapeError("object_idx", expected=expected, received=str(self.object_idx))

    def __len__(self) -> int:
        return len(self.position_m)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the sensor data."""
        return self.objects.boxes.stamp_ns

    @property
    def frame_id(self) -> str:
        """Frame of objects and grasps."""
        return self.objects.boxes.frame_id
