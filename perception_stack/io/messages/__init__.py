"""Messages to data types and back, without ROS.

What reads takes any object with the right attributes: messages of a bag and of a running node
alike, whatever holds their number arrays. What writes takes ``build``, a function that makes a
message of a type name and its fields; the default makes messages for bags.
"""

from perception_stack.io.messages.boxes import (
    boxes3d_from_msg,
    boxes3d_to_msg,
    truth_from_msg,
    truth_to_msg,
)
from perception_stack.io.messages.cameras import camera_from_msg, camera_to_msg
from perception_stack.io.messages.clouds import cloud_from_msg, cloud_to_msg
from perception_stack.io.messages.compressed import compressed_from_msg, compressed_to_msg
from perception_stack.io.messages.detections import (
    detections2d_from_msg,
    detections2d_to_msg,
    tracked2d_to_msg,
)
from perception_stack.io.messages.grasps import grasps_from_msg, grasps_to_msg
from perception_stack.io.messages.headers import clock_to_msg, header_to_msg, stamp_ns
from perception_stack.io.messages.images import (
    depth_from_msg,
    depth_to_msg,
    image_from_msg,
    image_to_msg,
    mask_from_msg,
    mask_to_msg,
)
from perception_stack.io.messages.instances import (
    keypoints_from_msg,
    keypoints_to_msg,
    label_info_to_msg,
)
from perception_stack.io.messages.objects import objects_from_msg, objects_to_msg
from perception_stack.io.messages.obstacles import obstacle_points_from_msg, obstacle_points_to_msg
from perception_stack.io.messages.occupancy import occupancy_to_msg
from perception_stack.io.messages.transforms import transforms_from_msg, transforms_to_msg
from perception_stack.io.messages.wire import (
    boxes3d_from_bytes,
    boxes3d_to_bytes,
    objects_to_bytes,
    warm_up,
)

__all__ = [
    "boxes3d_from_bytes",
    "boxes3d_from_msg",
    "boxes3d_to_bytes",
    "boxes3d_to_msg",
    "camera_from_msg",
    "camera_to_msg",
    "clock_to_msg",
    "cloud_from_msg",
    "cloud_to_msg",
    "compressed_from_msg",
    "compressed_to_msg",
    "depth_from_msg",
    "depth_to_msg",
    "detections2d_from_msg",
    "detections2d_to_msg",
    "grasps_from_msg",
    "grasps_to_msg",
    "header_to_msg",
    "image_from_msg",
    "image_to_msg",
    "keypoints_from_msg",
    "keypoints_to_msg",
    "label_info_to_msg",
    "mask_from_msg",
    "mask_to_msg",
    "objects_from_msg",
    "objects_to_bytes",
    "objects_to_msg",
    "obstacle_points_from_msg",
    "obstacle_points_to_msg",
    "occupancy_to_msg",
    "stamp_ns",
    "tracked2d_to_msg",
    "transforms_from_msg",
    "transforms_to_msg",
    "truth_from_msg",
    "truth_to_msg",
    "warm_up",
]
