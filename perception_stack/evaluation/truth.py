"""Ground truth of one frame, and what of it must not be held against anybody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray, check_rows, check_shape
from perception_stack.geometry.boxes import project_boxes, transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.overlap import intersection_2d_px2
from perception_stack.geometry.transforms import RigidTransform


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledView:
    """Where people looked for objects: in one image, outside of some regions (KITTI's DontCare).

    Attributes:
        camera: The camera of the image.
        camera_from_truth: Takes the frame of the truth to the camera's.
        regions_px: float64 [K, 4], left, top, right, bottom of regions without labels.
    """

    camera: CameraModel
    camera_from_truth: RigidTransform
    regions_px: FloatArray

    def __post_init__(self) -> None:
        check_shape("regions_px", self.regions_px, None, 4)

    def unlabelled(self, boxes: Boxes3D, *, overlap: float) -> NDArray[np.bool_]:
        """Boxes where the truth says nothing: out of the image, or mostly inside a region.

        Args:
            boxes: In the frame of the truth.
            overlap: Share of a box's image rectangle inside of one region.

        Returns:
            bool [N].
        """
        xyxy_px, visible = project_boxes(
            transform_boxes(boxes, self.camera_from_truth), self.camera
        )
        area_px2 = np.prod(xyxy_px[:, 2:] - xyxy_px[:, :2], axis=1)
        common_px2 = intersection_2d_px2(xyxy_px, self.regions_px).max(axis=1, initial=0.0)
        hidden: NDArray[np.bool_] = ~visible
        hidden[visible] = common_px2[visible] > overlap * area_px2[visible]
        return hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthFrame:
    """What was there at one stamp.

    Attributes:
        boxes: True boxes; each label is the class of largest probability.
        ids: N identities, each once; any text.
        ignored: bool [N]; neither hit nor miss, e.g. hidden, cut off or without a single point.
        sensor_m: float64 [3], where the sensor was in ``boxes.frame_id``.
        view: What was labelled; None means everything around.
    """

    boxes: Boxes3D
    ids: tuple[str, ...]
    ignored: NDArray[np.bool_]
    sensor_m: FloatArray
    view: LabelledView | None = None

    def __post_init__(self) -> None:
        check_rows("ids", self.ids, len(self.boxes))
        check_shape("ignored", self.ignored, len(self.boxes))
        check_shape("sensor_m", self.sensor_m, 3)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the sensor data."""
        return self.boxes.stamp_ns

    @property
    def distance_m(self) -> FloatArray:
        """Distance of each box's centre from the sensor, float64 [N]."""
        distance: FloatArray = np.linalg.norm(self.boxes.center_m - self.sensor_m, axis=1)
        return distance
