"""LiDAR to camera without a target: edges of scans laid onto edges of images.

``calibrate`` looks for the pose of the LiDAR in the camera from a rough start; how it works and
how well is told in ``docs/calibration_target_free.md``.
"""

from perception_stack.calibration.target_free.calibrate import (
    AlignedFrame,
    Alignment,
    calibrate,
)
from perception_stack.calibration.target_free.config import AlignmentConfig

__all__ = ["AlignedFrame", "Alignment", "AlignmentConfig", "calibrate"]
