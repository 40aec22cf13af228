"""Stamps, headers, and the bytes of big messages."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.errors import DecodeError
from perception_stack.io.interfaces import build_message

Build = Callable[..., Any]
"""``build(type_name, **fields)`` makes a message; see :func:`build_message`."""

_S = 1_000_000_000


def time_ns(time: Any) -> int:
    """Nanoseconds of a ``builtin_interfaces/Time``."""
    return int(time.sec) * _S + int(time.nanosec)


def stamp_ns(header: Any) -> int:
    """Stamp of a ``std_msgs/Header``."""
    return time_ns(header.stamp)


def raw_stamp_ns(raw: bytes) -> int:
    """Stamp of a serialised message that begins with a header (CDR, DDS-XTYPES 7.4.3).

    Raises:
        DecodeError: too few bytes.
    """
    if len(raw) < 12:
        raise DecodeError(f"{len(raw)} bytes are no message with a header")
    order = "<" if raw[1] & 1 else ">"
    sec, nanosec = struct.unpack_from(f"{order}iI", raw, 4)
    return int(sec) * _S + int(nanosec)


def time_to_msg(at_ns: int, *, build: Build = build_message) -> Any:
    """A ``builtin_interfaces/Time``."""
    sec, nanosec = divmod(at_ns, _S)
    return build("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)


def header_to_msg(stamp_ns: int, frame_id: str, *, build: Build = build_message) -> Any:
    """A ``std_msgs/Header``."""
    stamp = time_to_msg(stamp_ns, build=build)
    return build("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)


def clock_to_msg(at_ns: int, *, build: Build = build_message) -> Any:
    """A ``rosgraph_msgs/Clock``."""
    return build("rosgraph_msgs/msg/Clock", clock=time_to_msg(at_ns, build=build))


def buffer_of(message: Any, *, num_bytes: int) -> NDArray[np.uint8]:
    """The data of an image or cloud as bytes, without a copy.

    Args:
        message: Its ``data`` is anything with a buffer: ndarray, ``array.array``, bytes.
        num_bytes: What height and step promise.

    Raises:
        DecodeError: there are fewer bytes than promised.
    """
    data = np.frombuffer(message.data, dtype=np.uint8)
    if len(data) < num_bytes:
        raise DecodeError(f"{num_bytes} bytes by height and step, but {len(data)} in the message")
    return data


def bytes_of(array: NDArray[Any]) -> NDArray[np.uint8]:
    """A C-contiguous array as flat bytes, without a copy."""
    return array.reshape(-1).view(np.uint8)
