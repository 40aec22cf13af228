"""What our bags look like: topics, types, frames, and the order of messages of one instant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_stack.datatypes import Boxes3D, ColorImage, DepthImage, Detections2D, PointCloud
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io import messages
from perception_stack.io.bags import BagWriter

ODOM, BASE = "odom", "base_link"

TOPIC_TYPES = {
    "/clock": "rosgraph_msgs/msg/Clock",
    "/tf": "tf2_msgs/msg/TFMessage",
    "/tf_static": "tf2_msgs/msg/TFMessage",
    "/camera_info": "sensor_msgs/msg/CameraInfo",
    "/ground_truth": "vision_msgs/msg/Detection3DArray",
    "/detections": "vision_msgs/msg/Detection2DArray",
    "/detections_3d": "vision_msgs/msg/Detection3DArray",
    "/image": "sensor_msgs/msg/Image",
    "/image/compressed": "sensor_msgs/msg/CompressedImage",
    "/depth": "sensor_msgs/msg/Image",
    "/depth_camera_info": "sensor_msgs/msg/CameraInfo",
    "/masks": "sensor_msgs/msg/Image",
    "/points": "sensor_msgs/msg/PointCloud2",
}
"""Message type by topic of what the chain reads; our own bags hold most of them."""


def standing_vehicle() -> RigidTransform:
    """``odom`` from ``base_link`` of a vehicle that is known not to move."""
    return RigidTransform(target=ODOM, source=BASE, rotation=np.eye(3), translation_m=np.zeros(3))


def write_static(
    writer: BagWriter, transforms: Sequence[RigidTransform], *, stamp_ns: int
) -> None:
    """Write the transforms that hold for the whole bag; comes before the first frame."""
    message = messages.transforms_to_msg(transforms, stamp_ns=stamp_ns)
    writer.write("/tf_static", message, log_time_ns=stamp_ns)


def write_frame(
    writer: BagWriter,
    *,
    stamp_ns: int,
    transforms: Sequence[RigidTransform] = (),
    camera: CameraModel | None = None,
    truth: Boxes3D | None = None,
    truth_ids: Sequence[str] = (),
    detections: Detections2D | None = None,
    image: ColorImage | None = None,
    depth: DepthImage | None = None,
    cloud: PointCloud | None = None,
) -> None:
    """Write everything of one instant, in the order in which a consumer needs it.

    Transforms come before what needs them, and big messages last. Log time is the stamp.

    Args:
        writer: The bag.
        stamp_ns: The instant, stamp of everything given.
        transforms: Those that move; static ones go to :func:`write_static`.
        camera: Calibration of the image and depth image.
        truth: Ground truth; also when there is nothing, but not when nothing is known.
        truth_ids: Identity of each box of ``truth``.
        detections: Boxes of a 2-D detector.
        image: Colour image.
        depth: Depth image registered to the colour image.
        cloud: LiDAR scan.
    """

    def write(topic: str, message: object) -> None:
        writer.write(topic, message, log_time_ns=stamp_ns)

    write("/clock", messages.clock_to_msg(stamp_ns))
    if transforms:
        write("/tf", messages.transforms_to_msg(transforms, stamp_ns=stamp_ns))
    if camera is not None:
        write("/camera_info", messages.camera_to_msg(camera, stamp_ns=stamp_ns))
    if truth is not None:
        write("/ground_truth", messages.truth_to_msg(truth, truth_ids))
    if detections is not None:
        write("/detections", messages.detections2d_to_msg(detections))
    if image is not None:
        write("/image", messages.image_to_msg(image))
    if depth is not None:
        write("/depth", messages.depth_to_msg(depth))
    if cloud is not None:
        write("/points", messages.cloud_to_msg(cloud))
