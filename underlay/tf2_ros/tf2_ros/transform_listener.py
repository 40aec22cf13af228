"""Feeds a buffer with what comes in on ``/tf`` and ``/tf_static``."""

from __future__ import annotations

import threading
from typing import Protocol

from geometry_msgs.msg import TransformStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

_AUTHORITY = "default_authority"


class _TransformSink(Protocol):
    def set_transform(self, transform: TransformStamped, authority: str) -> None: ...

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None: ...


class TransformListener:
    """Hands every transform received to a buffer.

    Args:
        buffer: A :class:`tf2_ros.Buffer` or anything with its two ``set_transform`` methods.
        node: Node to subscribe with.
        spin_thread: Spin the node in a thread of its own until :meth:`unregister`.
        qos: Profile or depth for ``/tf``; a reliable queue of 100 when None.
        static_qos: Profile or depth for ``/tf_static``; latched, 100, when None.
    """

    def __init__(
        self,
        buffer: _TransformSink,
        node: Node,
        *,
        spin_thread: bool = False,
        qos: QoSProfile | int | None = None,
        static_qos: QoSProfile | int | None = None,
    ) -> None:
        if static_qos is None:
            static_qos = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.buffer = buffer
        self.node = node
        # a callback of the node's default group may be waiting for the very transform we bring
        self.group = ReentrantCallbackGroup()
        self.tf_sub = node.create_subscription(
            TFMessage,
            "/tf",
            self.callback,
            100 if qos is None else qos,
            callback_group=self.group,
        )
        self.tf_static_sub = node.create_subscription(
            TFMessage, "/tf_static", self.static_callback, static_qos, callback_group=self.group
        )
        self._executor: SingleThreadedExecutor | None = None
        if spin_thread:
            self._executor = SingleThreadedExecutor(context=node.context)
            self._executor.add_node(node)
            self._thread = threading.Thread(target=self._executor.spin, daemon=True)
            self._thread.start()

    def unregister(self) -> None:
        """Stop listening."""
        if self._executor is not None:
            self._executor.shutdown()
            self._thread.join()
            self._executor = None
        self.node.destroy_subscription(self.tf_sub)
        self.node.destroy_subscription(self.tf_static_sub)

    def callback(self, data: TFMessage) -> None:
        """Take a message of ``/tf``."""
        for transform in data.transforms:
            self.buffer.set_transform(transform, _AUTHORITY)

    def static_callback(self, data: TFMessage) -> None:
        """Take a message of ``/tf_static``."""
        for transform in data.transforms:
            self.buffer.set_transform_static(transform, _AUTHORITY)
