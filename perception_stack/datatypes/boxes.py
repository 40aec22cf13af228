"""Boxes in space, and what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes.checks import FloatArray, check_array, check_rows
from perception_stack.errors import ShapeError

UNKNOWN = "unknown"
"""Class of an object that is there but was not recognised."""


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

    def followed_by(self, other: Boxes3D) -> Boxes3D:
        """These boxes, then others of the same frame and stamp.

        Args:
            other: Over the same classes in the same order.

        Raises:
            ShapeError: the classes differ.
        """
        if other.classes != self.classes:
            raise ShapeError(
                "classes", expected=", ".join(self.classes), received=", ".join(other.classes)
            )
        return Boxes3D(
            frame_id=self.frame_id,
            stamp_ns=self.stamp_ns,
            center_m=np.concatenate([self.center_m, other.center_m]),
            quat_xyzw=np.concatenate([self.quat_xyzw, other.quat_xyzw]),
            size_lwh_m=np.concatenate([self.size_lwh_m, other.size_lwh_m]),
            covariance=np.concatenate([self.covariance, other.covariance]),
            score=np.concatenate([self.score, other.score]),
            classes=self.classes,
            class_probs=np.concatenate([self.class_probs, other.class_probs]),
            sensors=(*self.sensors, *other.sensors),
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
