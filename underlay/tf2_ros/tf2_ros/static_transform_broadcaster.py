"""Sends transforms that never change."""

from __future__ import annotations

from collections.abc import Iterable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from tf2_ros.transform_broadcaster import as_list


class StaticTransformBroadcaster:
    """Publishes on ``/tf_static``, for those who listen now and those who will.

    Args:
        node: Node to publish with.
        qos: Profile or depth; latched with a depth of 1 when None.
    """

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        if qos is None:
            qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.pub_tf = node.create_publisher(TFMessage, "/tf_static", qos)
        self._newest: dict[str, TransformStamped] = {}

    def sendTransform(  # noqa: N802
        self, transform: TransformStamped | Iterable[TransformStamped]
    ) -> None:
        """Publish one transform or several, together with all sent before.

        A latched topic keeps the last message only, so that one must hold everything. The newest
        transform of a child frame counts.
        """
        self._newest.update({each.child_frame_id: each for each in as_list(transform)})
        self.pub_tf.publish(TFMessage(transforms=list(self._newest.values())))
