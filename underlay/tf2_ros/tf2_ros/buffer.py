"""The record of transforms that listeners feed and nodes ask."""

from __future__ import annotations

import threading
import time as wall
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.time import Time

from perception_stack.errors import (
    ExtrapolationError,
    PerceptionError,
    TransformUnavailableError,
    UnconnectedFramesError,
    UnknownFrameError,
)
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from tf2_ros import exceptions

_S = 1_000_000_000
_POLL_S = 0.02
_NORM_TOLERANCE = 1e-2
_EXCEPTIONS: dict[type[TransformUnavailableError], type[exceptions.TransformException]] = {
    UnknownFrameError: exceptions.LookupException,
    UnconnectedFramesError: exceptions.ConnectivityException,
    ExtrapolationError: exceptions.ExtrapolationException,
}


class Buffer:
    """Answers where one frame was in another at a time; time zero is the latest common time.

    Args:
        cache_time: How far back of the newest transform of a frame to remember; 10 s when None.
        node: If given, what moves is forgotten whenever the node's clock jumps back.
    """

    def __init__(self, cache_time: Duration | None = None, node: Node | None = None) -> None:
        history_s = 10.0 if cache_time is None else cache_time.nanoseconds / _S
        self._tree = FrameTree(history_s=history_s)
        self._lock = threading.RLock()
        if node is not None:
            threshold = JumpThreshold(
                min_forward=None, min_backward=Duration(seconds=-1), on_clock_change=True
            )
            self.jump_handle = node.get_clock().create_jump_callback(
                threshold, post_callback=lambda _: self.clear()
            )

    def clear(self) -> None:
        """Forget everything that moves."""
        with self._lock:
            self._tree.clear()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Record where a frame was; what cannot be a transform is logged and ignored."""
        self._add(transform, authority, static=False)

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Record where a frame always is; what cannot be a transform is logged and ignored."""
        self._add(transform, authority, static=True)

    def lookup_transform(
        self, target_frame: str, source_frame: str, time: Any, timeout: Duration | None = None
    ) -> TransformStamped:
        """The transform that takes the source frame to the target frame.

        Args:
            target_frame: Frame of the result.
            source_frame: Frame of the data.
            time: An ``rclpy.time.Time`` or a stamp; zero for the latest common time.
            timeout: How long to wait for it, sleeping; not at all when None.

        Raises:
            TransformException: the subclass says why there is none.
        """
        self.can_transform(target_frame, source_frame, time, timeout)
        return self.lookup_transform_core(target_frame, source_frame, time)

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Any,
        timeout: Duration | None = None,
        return_debug_tuple: bool = False,
    ) -> bool | tuple[bool, str]:
        """Whether :meth:`lookup_transform` would give a transform.

        Args:
            target_frame: Frame of the result.
            source_frame: Frame of the data.
            time: An ``rclpy.time.Time`` or a stamp; zero for the latest common time.
            timeout: How long to wait for it, sleeping; not at all when None.
            return_debug_tuple: Return the reason as well.
        """
        deadline_s = wall.monotonic() + (timeout.nanoseconds / _S if timeout is not None else 0.0)
        answer = self.can_transform_core(target_frame, source_frame, time)
        while not answer[0] and wall.monotonic() < deadline_s:
            wall.sleep(_POLL_S)
            answer = self.can_transform_core(target_frame, source_frame, time)
        return answer if return_debug_tuple else answer[0]

    def can_transform_core(
        self, target_frame: str, source_frame: str, time: Any
    ) -> tuple[bool, str]:
        """Whether there is a transform now, and why not."""
        try:
            self.lookup_transform_core(target_frame, source_frame, time)
        except exceptions.TransformException as error:
            return False, str(error)
        return True, ""

    def lookup_transform_core(
        self, target_frame: str, source_frame: str, time: Any
    ) -> TransformStamped:
        """As :meth:`lookup_transform`, without waiting."""
        for name in (target_frame, source_frame):
            if not name or name.startswith("/"):
                msg = f"frame '{name}': names are neither empty nor begin with '/'"
                raise exceptions.InvalidArgumentException(msg)
        stamp_ns = _nanoseconds(time)
        try:
            with self._lock:
                if stamp_ns == 0:
                    stamp_ns = self._tree.latest_common_stamp(target_frame, source_frame) or 0
                found = self._tree.lookup(target_frame, source_frame, stamp_ns)
        except TransformUnavailableError as error:
            raise _EXCEPTIONS[type(error)](str(error)) from error
        return _message(found, stamp_ns)

    def get_latest_common_time(self, target_frame: str, source_frame: str) -> Time:
        """The newest time at which everything between two frames is known; zero if all is static.

        Raises:
            TransformException: the subclass says why there is no transform at any time.
        """
        try:
            with self._lock:
                stamp_ns = self._tree.latest_common_stamp(target_frame, source_frame)
        except TransformUnavailableError as error:
            raise _EXCEPTIONS[type(error)](str(error)) from error
        return Time(nanoseconds=stamp_ns or 0)

    def _add(self, message: TransformStamped, authority: str, *, static: bool) -> None:
        # names with a leading slash are of ROS 1 and mean the same without
        target = message.header.frame_id.removeprefix("/")
        source = message.child_frame_id.removeprefix("/")
        rotation, translation = message.transform.rotation, message.transform.translation
        quat = np.array([rotation.x, rotation.y, rotation.z, rotation.w])
        try:
            _require(bool(target and source), "a frame without a name")
            # written so that NaN fails
            is_unit = abs(float(quat @ quat) - 1) < _NORM_TOLERANCE
            _require(is_unit, f"quaternion {quat} is not of unit length")
            transform = RigidTransform.from_quat(
                target=target,
                source=source,
                quat_xyzw=quat / np.linalg.norm(quat),
                translation_m=np.array([translation.x, translation.y, translation.z]),
            )
            with self._lock:
                stamp_ns = _nanoseconds(message.header.stamp)
                self._tree.add(transform, stamp_ns=stamp_ns, static=static)
        except (PerceptionError, exceptions.InvalidArgumentException) as error:
            text = f"ignoring transform '{target}' <- '{source}' from {authority}: {error}"
            get_logger("tf2_buffer").error(text)


def _require(is_met: bool, text: str) -> None:
    if not is_met:
        raise exceptions.InvalidArgumentException(text)


def _nanoseconds(time: Any) -> int:
    if hasattr(time, "nanoseconds"):
        return int(time.nanoseconds)
    if hasattr(time, "sec") and hasattr(time, "nanosec"):
        return int(time.sec) * _S + int(time.nanosec)
    raise TypeError(f"{type(time).__name__} is no time: no sec and nanosec, nor nanoseconds")


def _message(transform: RigidTransform, stamp_ns: int) -> TransformStamped:
    message = TransformStamped()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, _S)
    message.header.frame_id = transform.target
    message.child_frame_id = transform.source
    translation, rotation = message.transform.translation, message.transform.rotation
    translation.x, translation.y, translation.z = transform.translation_m.tolist()
    rotation.x, rotation.y, rotation.z, rotation.w = transform.quat_xyzw.tolist()
    return message
