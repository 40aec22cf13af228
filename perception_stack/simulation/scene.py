"""What a simulated scene gives: sensor data with exact truth, frame by frame.

Frames: bodies live in ``odom``; ``base_link`` is the vehicle's or robot's body; sensors hang
below it. Any frame can be made at any time, and always comes out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import (
    Boxes3D,
    ColorImage,
    DepthImage,
    Detections2D,
    FloatArray,
    PointCloud,
    check_shape,
)
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform

START_STAMP_NS = 1_700_000_000_000_000_000
"""Stamp of the first frame of every scene."""
FRAME_PERIOD_NS = 100_000_000
"""Time between frames: 10 Hz."""
BASE_FRAME = "base_link"
CAMERA_FRAME = "camera_optical"
LIDAR_FRAME = "velodyne"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visibility:
    """How much the sensors see of each object; row i belongs to row i of the truth.

    Attributes:
        num_points: int64 [N], LiDAR points or valid depth pixels on the object.
        num_pixels: int64 [N], pixels of the colour image that show it.
        range_occluded: float64 [N], share of the LiDAR's or depth camera's rays towards the
            object that meet something else first; NaN when no ray points at it.
        image_occluded: float64 [N], the same for the colour camera.
        xyxy_px: float64 [N, 4], rectangle around all pixels that point at the object, occluded
            or not, cut at the image's border; NaN when there are none.
        countable: bool [N], enough is seen that a detector may be asked to find it. Evaluation
            ignores the others.
    """

    num_points: NDArray[np.int64]
    num_pixels: NDArray[np.int64]
    range_occluded: FloatArray
    image_occluded: FloatArray
    xyxy_px: FloatArray
    countable: NDArray[np.bool_]

    def __post_init__(self) -> None:
        num = len(self.num_points)
        check_shape("num_points", self.num_points, None)
        check_shape("num_pixels", self.num_pixels, num)
        check_shape("range_occluded", self.range_occluded, num)
        check_shape("image_occluded", self.image_occluded, num)
        check_shape("xyxy_px", self.xyxy_px, num, 4)
        check_shape("countable", self.countable, num)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedFrame:
    """Everything at one instant.

    Attributes:
        stamp_ns: Of all sensor data and of the truth.
        cloud: In ``velodyne``; None in a scene without LiDAR.
        image: Colour image.
        depth: Registered to the colour image; None in a scene without depth camera.
        camera: Of the colour and the depth image.
        transforms: Those that change from frame to frame, true at the stamp.
        truth: Exact boxes in ``odom`` with zero covariance; ``sensors`` are those that see it.
        track_ids: int64 [N], identity of each true box through the scene.
        velocity_mps: float64 [N, 3] of the true boxes' centres in ``odom``.
        visibility: How much is seen of each true box.
        detections_2d: What a detector of the usual imperfection finds in the image.
        point_ids: int64, identity of the object each point of the cloud lies on, -1 for none;
            empty in a scene without LiDAR.
        pixel_ids: int64 [H, W], identity of the object each pixel shows, -1 for none.
    """

    stamp_ns: int
    cloud: PointCloud | None
    image: ColorImage
    depth: DepthImage | None
    camera: CameraModel
    transforms: tuple[RigidTransform, ...]
    truth: Boxes3D
    track_ids: NDArray[np.int64]
    velocity_mps: FloatArray
    visibility: Visibility
    detections_2d: Detections2D
    point_ids: NDArray[np.int64]
    pixel_ids: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A scene ready to be run.

    Attributes:
        camera: Of every frame.
        static_transforms: Those that never change.
        num_frames: How many frames there are.
        frame: Makes one, by its number from 0.
    """

    camera: CameraModel
    static_transforms: tuple[RigidTransform, ...]
    num_frames: int
    frame: Callable[[int], SimulatedFrame]

    def frames(self) -> Iterator[SimulatedFrame]:
        """All frames in order of time."""
        return map(self.frame, range(self.num_frames))

    def camera_from_truth(self, frame: SimulatedFrame) -> RigidTransform:
        """From the frame that the truth is in to the camera, at the stamp of one of the frames."""
        tree = FrameTree()
        for one in (*self.static_transforms, *frame.transforms):
            tree.add(one, stamp_ns=frame.stamp_ns)
        return tree.lookup(frame.camera.frame_id, frame.truth.frame_id, frame.stamp_ns)


def stamp_of(frame_idx: int) -> int:
    """Stamp of a frame, nanoseconds."""
    return START_STAMP_NS + frame_idx * FRAME_PERIOD_NS


def time_of(frame_idx: int) -> float:
    """Seconds since the scene began."""
    return frame_idx * FRAME_PERIOD_NS * 1e-9


def pinhole(*, width_px: int, height_px: int, focal_px: float) -> CameraModel:
    """Camera with its principal point in the middle of the image and no distortion."""
    k = np.array(
        [
            [focal_px, 0.0, (width_px - 1) / 2],
            [0.0, focal_px, (height_px - 1) / 2],
            [0.0, 0.0, 1.0],
        ]
    )
    return CameraModel.pinhole(frame_id=CAMERA_FRAME, width_px=width_px, height_px=height_px, k=k)
