"""Publishes the tracked list in every form its users want: typed, standard, visible, avoidable."""

from __future__ import annotations

from collections.abc import Callable

from sensor_msgs.msg import PointCloud2
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from perception_stack.datatypes import FrameResult, TrackedObjects
from perception_stack.io import messages
from perception_stack.msg import TrackedObjectArray
from perception_stack.ros import conversions, qos
from perception_stack.ros.markers import ObjectMarkers
from perception_stack.ros.step_node import StepNode
from perception_stack.tracking.space.obstacles import obstacle_points


class ObjectOutputs:
    """The topics that carry the tracked list.

    Args:
        node: Publishes.
        obstacle_spacing_m: Distance between the points on the walls of an obstacle.
        predicted: The newest list at stamps to come.
    """

    def __init__(
        self,
        node: StepNode,
        *,
        obstacle_spacing_m: float,
        predicted: Callable[[], list[TrackedObjects]],
    ) -> None:
        self._spacing_m = obstacle_spacing_m
        self._predicted = predicted
        self._markers = ObjectMarkers()
        self._objects = node.advertise(TrackedObjectArray, "objects", qos.RESULT)
        self._later = node.advertise(TrackedObjectArray, "objects/predicted", qos.RESULT)
        self._vision = node.advertise(Detection3DArray, "objects/vision", qos.RESULT)
        self._marker_array = node.advertise(MarkerArray, "markers", qos.RESULT)
        self._obstacles = node.advertise(PointCloud2, "obstacles", qos.RESULT)

    def publish(self, result: FrameResult) -> None:
        """Publish one list; derived forms are only built when someone listens."""
        objects = result.objects
        self._objects.publish(messages.objects_to_bytes(objects))
        if self._later.get_subscription_count():
            for later in self._predicted():
                self._later.publish(messages.objects_to_bytes(later))
        if self._vision.get_subscription_count():
            ids = tuple(str(one) for one in objects.ids)
            self._vision.publish(conversions.identified_boxes_msg(objects.boxes, ids))
        if self._marker_array.get_subscription_count():
            self._marker_array.publish(self._markers.update(objects))
        if self._obstacles.get_subscription_count():
            cloud = obstacle_points(objects, spacing_m=self._spacing_m)
            self._obstacles.publish(conversions.cloud_msg(cloud))
