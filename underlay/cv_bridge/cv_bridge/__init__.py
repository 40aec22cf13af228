"""The part of ROS 2's ``cv_bridge`` that perception_stack uses, for machines without ROS."""

from cv_bridge.core import CvBridge, CvBridgeError

__all__ = ["CvBridge", "CvBridgeError"]
