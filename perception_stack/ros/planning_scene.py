"""Objects as collision objects of MoveIt, where its messages are installed."""

from __future__ import annotations

from rclpy.publisher import Publisher

from perception_stack.datatypes import SceneObjects
from perception_stack.io.messages.grasps import collision_object_to_msg, collision_removal_to_msg
from perception_stack.pipeline.collision_objects import CollisionObjects
from perception_stack.ros import qos
from perception_stack.ros.conversions import build
from perception_stack.ros.step_node import StepNode

try:
    from moveit_msgs.msg import CollisionObject
except ImportError:  # not part of ROS itself
    CollisionObject = None


class PlanningScene:
    """Tells MoveIt of objects on ``collision_object``, and takes those away that are gone.

    Args:
        node: Publishes; says once if there is no MoveIt.
        ttl_s: How long an object stays that is not seen.
    """

    def __init__(self, node: StepNode, ttl_s: float) -> None:
        self._objects = CollisionObjects(ttl_s)
        self._publisher: Publisher | None = None
        if CollisionObject is None:
            text = "no moveit_msgs, no collision objects; install ros-$ROS_DISTRO-moveit-msgs"
            node.get_logger().info(text)
            return
        self._publisher = node.advertise(CollisionObject, "collision_object", qos.RESULT)

    def update(self, objects: SceneObjects) -> None:
        """Tell of the objects of one frame."""
        if self._publisher is None:
            return
        names, gone = self._objects.update(objects)
        boxes = objects.boxes
        for row, name in enumerate(names):
            self._publisher.publish(collision_object_to_msg(objects, row, name, build=build))
        for name in gone:
            self._publisher.publish(
                collision_removal_to_msg(boxes.frame_id, boxes.stamp_ns, name, build=build)
            )
