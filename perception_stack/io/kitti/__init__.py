"""Readers of the KITTI object, tracking and raw data (Geiger et al., CVPR 2012 and IJRR 2013).

Frames: ``velodyne`` (x ahead, y left, z up); ``camera_rect``, the rectified reference camera that
labels are given in; ``camera_optical``, the left colour camera, a few centimetres beside it.
"""

from perception_stack.io.kitti.calibration import KittiCalibration, read_calibration
from perception_stack.io.kitti.detections import read_detections_2d, read_detections_3d
from perception_stack.io.kitti.labels import (
    KittiLabels,
    boxes_from_kitti,
    read_object_labels,
    read_tracking_labels,
    yaw_camera_from_quat,
)
from perception_stack.io.kitti.poses import read_poses
from perception_stack.io.kitti.scans import read_scan
from perception_stack.io.kitti.stamps import EPOCH_NS, PERIOD_NS, stamp_of_frame

__all__ = [
    "EPOCH_NS",
    "PERIOD_NS",
    "KittiCalibration",
    "KittiLabels",
    "boxes_from_kitti",
    "read_calibration",
    "read_detections_2d",
    "read_detections_3d",
    "read_object_labels",
    "read_poses",
    "read_scan",
    "read_tracking_labels",
    "stamp_of_frame",
    "yaw_camera_from_quat",
]
