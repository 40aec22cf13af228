"""Feeds the one tree of frames from ``/tf`` and ``/tf_static``.

``tf2_ros.TransformListener`` fills any buffer that has its two setters. Ours is the tree that the
offline chain uses, so a lookup gives the same floats on the robot and on a recording.
"""

from __future__ import annotations

from collections.abc import Callable

import tf2_ros
from geometry_msgs.msg import TransformStamped
from tf2_msgs.msg import TFMessage

from perception_stack.errors import PerceptionError
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.io import messages
from perception_stack.journal import Journal
from perception_stack.ros.step_node import StepNode


class FrameListener:
    """Keeps a frame tree up to date while the node spins.

    Args:
        node: Subscribes to the two topics.
        frames: The tree to fill.
        journal: Told of every malformed transform.
        on_change: Called after each transform, for those who wait.
    """

    def __init__(
        self, node: StepNode, frames: FrameTree, journal: Journal, on_change: Callable[[], None]
    ) -> None:
        self._frames = frames
        self._journal = journal
        self._node = node
        self._on_change = on_change
        node.diagnostics.watch_input("/tf")
        self._listener = tf2_ros.TransformListener(self, node, spin_thread=False)

    def set_transform(self, msg: TransformStamped, authority: str) -> None:
        """Take one moving transform."""
        self._add(msg, authority, static=False)

    def set_transform_static(self, msg: TransformStamped, authority: str) -> None:
        """Take one transform that never changes."""
        self._add(msg, authority, static=True)

    def _add(self, msg: TransformStamped, authority: str, *, static: bool) -> None:
        try:
            for transform, stamp_ns in messages.transforms_from_msg(TFMessage(transforms=[msg])):
                self._frames.add(transform, stamp_ns=stamp_ns, static=static)
        except PerceptionError as error:
            stamp_ns = messages.stamp_ns(msg.header)
            self._journal.count_error(error, stamp_ns=stamp_ns, where=f"TF of {authority}")
            return
        with self._node.drop_frame_on_error("what waited for TF", msg):
            self._on_change()
