"""What the steps hand to each other: frozen structures of arrays, checked when they are born.

Frame and stamp belong to the collection, once. Row ``i`` of every array of one collection speaks
of the same thing. An empty collection is a true answer ("nothing there"), never a failure.

Frames: bodies are x ahead, y left, z up; cameras are optical, x right, y down, z ahead (REP 103).
Time is an integer number of nanoseconds, that of the sensor.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from perception_stack.errors import ShapeError

FloatArray = NDArray[np.float64]
UNKNOWN = "unknown"
"""Class of an object that is there but was not recognised."""


class TrackState(IntEnum):
    """How far a track is to be trusted; values as in ``msg/TrackedObject.msg``."""

    TENTATIVE = 1
    CONFIRMED = 2
    COASTING = 3


def check_shape(name: str, array: NDArray[Any], *shape: int | None) -> None:
    """Compare an array's shape with the promised one; None stands for any length.

    Raises:
        ShapeError: they differ.
    """
    if not _fits(array.shape, shape):
        raise ShapeError(name, expected=_shape_text(shape), received=str(list(array.shape)))


def check_array(
    name: str, array: NDArray[Any], dtype: type[np.generic], *shape: int | None
) -> None:
    """Compare an array's type and shape with the promised ones; None stands for any length.

    The type matters: a middleware that does not check its fields writes the bits of an integer
    where a float is read.

    Raises:
        ShapeError: they differ.
    """
    if array.dtype != dtype or not _fits(array.shape, shape):
        raise ShapeError(
            name,
            expected=f"{np.dtype(dtype)} {_shape_text(shape)}",
            received=f"{array.dtype} {list(array.shape)}",
        )


def check_rows(name: str, rows: Sized, num: int) -> None:
    """Compare the number of things in a sequence with the promised one.

    Raises:
        ShapeError: they differ.
    """
    if len(rows) != num:
        raise ShapeError(name, expected=f"[{num}]", received=f"[{len(rows)}]")


def _fits(found: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return found == shape or (
        len(found) == len(shape)
        and all(want is None or want == got for want, got in zip(shape, found, strict=True))
    )


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('N' if want is None else str(want) for want in shape)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointCloud:
    """Points of one scan or one RGB-D image, finite or not.

    Attributes:
        frame_id: Frame of the coordinates.
        stamp_ns: Stamp of the scan.
        xyz_m: float32 [N, 3], metres; may hold NaN and infinities (REP 117).
        intensity: float32 [N], unit of the sensor; None where the sensor gives none.
        ring: uint16 [N], beam of the sensor; None where the sensor gives none.
        time_offset_s: float32 [N], when each point was measured, seconds after the stamp, negative
            before it; None where all were at once or nobody says.
    """

    frame_id: str
    stamp_ns: int
    xyz_m: NDArray[np.float32]
    intensity: NDArray[np.float32] | None = None
    ring: NDArray[np.uint16] | None = None
    time_offset_s: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        num = len(self.xyz_m)
        check_array("xyz_m", self.xyz_m, np.float32, None, 3)
        if self.intensity is not None:
            check_array("intensity", self.intensity, np.float32, num)
        if self.ring is not None:
            check_array("ring", self.ring, np.uint16, num)
        if self.time_offset_s is not None:
            check_array("time_offset_s", self.time_offset_s, np.float32, num)

    def __len__(self) -> int:
        return len(self.xyz_m)

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> PointCloud:
        """The points picked by an integer index or a mask, in that order."""
        # several times faster than indexing by a mask
        picked = np.flatnonzero(index) if index.dtype == np.bool_ else index
        return PointCloud(
            frame_id=self.frame_id,
            stamp_ns=self.stamp_ns,
            xyz_m=self.xyz_m.take(picked, axis=0),
            intensity=None if self.intensity is None else self.intensity.take(picked),
            ring=None if self.ring is None else self.ring.take(picked),
            time_offset_s=None if self.time_offset_s is None else self.time_offset_s.take(picked),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorImage:
    """A colour image; the first pixel's centre is (0, 0).

    Attributes:
        frame_id: Optical frame of the camera.
        stamp_ns: Stamp of the exposure.
        bgr: uint8 [H, W, 3].
    """

    frame_id: str
    stamp_ns: int
    bgr: NDArray[np.uint8]

    def __post_init__(self) -> None:
        check_array("bgr", self.bgr, np.uint8, None, None, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthImage:
    """Depth along the optical axis (REP 118).

    Attributes:
        frame_id: Optical frame of the camera.
        stamp_ns: Stamp of the exposure.
        depth_m: float32 [H, W], metres; NaN where there is no measurement.
    """

    frame_id: str
    stamp_ns: int
    depth_m: NDArray[np.float32]

    def __post_init__(self) -> None:
        check_array("depth_m", self.depth_m, np.float32, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections2D:
    """Boxes in one image.

    Attributes:
        frame_id: Optical frame of the camera.
        stamp_ns: Stamp of the image.
        xyxy_px: float64 [N, 4], left, top, right, bottom in pixels of the raw image.
        score: float64 [N], in [0, 1].
        labels: N class names.
        mask: uint16 [H, W], ``i + 1`` where a pixel of the raw image belongs to detection i, 0
            where to none; None where the detector gives no masks.
    """

    frame_id: str
    stamp_ns: int
    xyxy_px: FloatArray
    score: FloatArray
    labels: tuple[str, ...]
    mask: NDArray[np.uint16] | None = None

    def __post_init__(self) -> None:
        check_array("xyxy_px", self.xyxy_px, np.float64, None, 4)
        check_array("score", self.score, np.float64, len(self.xyxy_px))
        check_rows("labels", self.labels, len(self.xyxy_px))
        if self.mask is not None:
            check_array("mask", self.mask, np.uint16, None, None)

    def __len__(self) -> int:
        return len(self.xyxy_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes3D:
    """Oriented 3-D boxes with what is believed of each: detections, ground truth, object poses.

    Attributes:
        frame_id: Frame of every pose.
        stamp_ns: Stamp of the sensor data they are true at.
        center_m: float64 [N, 3].
        quat_xyzw: float64 [N, 4], unit; the box's x, y, z axes in ``frame_id``.
        size_lwh_m: float64 [N, 3], full extents along the box's own x, y, z axes, positive.
        covariance: float64 [N, 6, 6] of (x, y, z, rotation about the fixed axes x, y, z);
            m², m·rad, rad².
        score: float64 [N], probability in [0, 1] that there is an object.
        classes: C class names, shared by all rows, without repetition.
        class_probs: float64 [N, C], rows sum to 1.
        sensors: N tuples, sorted, of the inputs that saw the object, e.g. ``("camera", "lidar")``.
    """

    frame_id: str
    stamp_ns: int
    center_m: FloatArray
    quat_xyzw: FloatArray
    size_lwh_m: FloatArray
    covariance: FloatArray
    score: FloatArray
    classes: tuple[str, ...]
    class_probs: FloatArray
    sensors: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        num = len(self.center_m)
        check_array("center_m", self.center_m, np.float64, num, 3)
        check_array("quat_xyzw", self.quat_xyzw, np.float64, num, 4)
        check_array("size_lwh_m", self.size_lwh_m, np.float64, num, 3)
        check_array("covariance", self.covariance, np.float64, num, 6, 6)
        check_array("score", self.score, np.float64, num)
        check_array("class_probs", self.class_probs, np.float64, num, len(self.classes))
        check_rows("sensors", self.sensors, num)

    def __len__(self) -> int:
        return len(self.center_m)

    @classmethod
    def empty(cls, *, frame_id: str, stamp_ns: int) -> Boxes3D:
        """No boxes at all."""
        return cls(
            frame_id=frame_id,
            stamp_ns=stamp_ns,
            center_m=np.empty((0, 3)),
            quat_xyzw=np.empty((0, 4)),
            size_lwh_m=np.empty((0, 3)),
            covariance=np.empty((0, 6, 6)),
            score=np.empty(0),
            classes=(UNKNOWN,),
            class_probs=np.empty((0, 1)),
            sensors=(),
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The most probable class of each box; the first one of equals."""
        return tuple(self.classes[i] for i in np.argmax(self.class_probs, axis=1))

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Boxes3D:
        """The boxes picked by an integer index or a mask, in that order."""
        picked = np.arange(len(self))[index]
        return Boxes3D(
            frame_id=self.frame_id,
            stamp_ns=self.stamp_ns,
            center_m=self.center_m[picked],
            quat_xyzw=self.quat_xyzw[picked],
            size_lwh_m=self.size_lwh_m[picked],
            covariance=self.covariance[picked],
            score=self.score[picked],
            classes=self.classes,
            class_probs=self.class_probs[picked],
            sensors=tuple(self.sensors[i] for i in picked),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacles:
    """What stands in the way at one instant: points, and boxes around those that form objects.

    Attributes:
        boxes: N boxes; their frame and stamp are those of the points, too.
        xyz_m: float32 [P, 3], finite, neither ground nor the robot itself; none where only the
            boxes are known.
        box_of_point: int32 [P], row of the box each point belongs to, -1 for none.
    """

    boxes: Boxes3D
    xyz_m: NDArray[np.float32]
    box_of_point: NDArray[np.int32]

    def __post_init__(self) -> None:
        check_array("xyz_m", self.xyz_m, np.float32, None, 3)
        check_array("box_of_point", self.box_of_point, np.int32, len(self.xyz_m))
        low, high = self.box_of_point.min(initial=-1), self.box_of_point.max(initial=-1)
        if low < -1 or high >= len(self.boxes):
            expected = f"indices of {len(self.boxes)} boxes, or -1"
            raise ShapeError("box_of_point", expected=expected, received=f"{low} to {high}")

    @classmethod
    def of(cls, boxes: Boxes3D) -> Obstacles:
        """Boxes whose points are not known."""
        nothing = np.empty((0, 3), dtype=np.float32)
        return cls(boxes=boxes, xyz_m=nothing, box_of_point=np.empty(0, dtype=np.int32))

    @property
    def stamp_ns(self) -> int:
        """Stamp of the sensor data."""
        return self.boxes.stamp_ns

    @property
    def frame_id(self) -> str:
        """Frame of the boxes and the points."""
        return self.boxes.frame_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OccupancyGrid:
    """What is known of the ground around the sensor.

    Attributes:
        frame_id: A level frame; the cells lie along its x and y axes.
        stamp_ns: Stamp of the scan.
        cell_m: Side of a cell.
        origin_xy_m: float64 [2], lower left corner of the first cell, a multiple of ``cell_m``.
        cells: int8 [H, W], rows along y, columns along x: -1 unknown, 0 free to 100 occupied, as
            in ``nav_msgs/OccupancyGrid``.
    """

    frame_id: str
    stamp_ns: int
    cell_m: float
    origin_xy_m: FloatArray
    cells: NDArray[np.int8]

    def __post_init__(self) -> None:
        check_array("origin_xy_m", self.origin_xy_m, np.float64, 2)
        check_array("cells", self.cells, np.int8, None, None)


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
class TrackedBoxes2D:
    """Objects followed in the images of one camera, at one stamp.

    Attributes:
        frame_id: Optical frame of the camera.
        stamp_ns: Stamp of the image.
        xyxy_px: float64 [N, 4], left, top, right, bottom in pixels of the raw image.
        score: float64 [N], existence probability.
        classes: C class names, shared by all rows, without repetition.
        class_probs: float64 [N, C], rows sum to 1.
        ids: N identities, the same for an object in all frames of a run.
        state: uint8 [N] of :class:`TrackState`.
        velocity_px: float64 [N, 2], of the centre, pixels per second right and down.
        num_detections: int64 [N], detections used since birth.
        last_seen_ns: int64 [N], stamp of the newest detection used.
    """

    frame_id: str
    stamp_ns: int
    xyxy_px: FloatArray
    score: FloatArray
    classes: tuple[str, ...]
    class_probs: FloatArray
    ids: tuple[UUID, ...]
    state: NDArray[np.uint8]
    velocity_px: FloatArray
    num_detections: NDArray[np.int64]
    last_seen_ns: NDArray[np.int64]

    def __post_init__(self) -> None:
        num = len(self.xyxy_px)
        check_array("xyxy_px", self.xyxy_px, np.float64, None, 4)
        check_array("score", self.score, np.float64, num)
        check_array("class_probs", self.class_probs, np.float64, num, len(self.classes))
        check_rows("ids", self.ids, num)
        check_array("state", self.state, np.uint8, num)
        check_array("velocity_px", self.velocity_px, np.float64, num, 2)
        check_array("num_detections", self.num_detections, np.int64, num)
        check_array("last_seen_ns", self.last_seen_ns, np.int64, num)

    def __len__(self) -> int:
        return len(self.xyxy_px)

    @property
    def labels(self) -> tuple[str, ...]:
        """The most probable class of each box; the first one of equals."""
        if not len(self):
            return ()  # before the first detection no class is known
        return tuple(self.classes[i] for i in np.argmax(self.class_probs, axis=1))


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
