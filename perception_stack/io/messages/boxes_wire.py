"""``vision_msgs/Detection3DArray`` as bytes on the wire, without a message in between.

A list of 120 boxes is 700 nested messages, which take rclpy 6 to 10 ms to make and serialise and
14 ms to read; their bytes are the same pose and covariance over and over. What is written is what
the middleware writes itself: plain CDR, little endian (OMG DDSI-RTPS 2.5, section 10), where
every number is aligned to its size, counted from behind the four bytes of the encapsulation.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np

from perception_stack.datatypes import Boxes3D
from perception_stack.errors import DecodeError
from perception_stack.io.messages.boxes import boxes_of, sensors_text

_CDR_LE = b"\x00\x01\x00\x00"
_S = 1_000_000_000
_POSE, _COVARIANCE, _SIZE = 7, 36, 3


def boxes3d_to_bytes(boxes: Boxes3D) -> bytes:
    """The serialised message, as :func:`boxes3d_to_msg` has it."""
    header = struct.pack("<iI", *divmod(boxes.stamp_ns, _S)) + _string(boxes.frame_id)
    start = header + _padding(len(header), 4) + struct.pack("<I", len(boxes))
    pose = np.concatenate([boxes.center_m, boxes.quat_xyzw], axis=1).astype("<f8")
    beside = np.concatenate([pose, boxes.covariance.reshape(-1, _COVARIANCE)], axis=1)
    bbox = np.concatenate([pose, boxes.size_lwh_m], axis=1)
    beside_bytes, num_beside = beside.astype("<f8").tobytes(), 8 * beside.shape[1]
    bbox_bytes, num_bbox = bbox.astype("<f8").tobytes(), 8 * bbox.shape[1]
    scores = (boxes.score[:, None] * boxes.class_probs).astype("<f8").tobytes()
    num_classes = len(boxes.classes)
    parts, at = [start], len(start)
    for i, (given, sensors) in enumerate(
        zip((boxes.class_probs > 0).tolist(), boxes.sensors, strict=True)
    ):
        opening = _opening(at % 8, header, sum(given))
        parts.append(opening)
        at += len(opening)
        with_covariance = beside_bytes[i * num_beside : (i + 1) * num_beside]
        for column in range(num_classes):
            if given[column]:
                name = _name(at % 8, boxes.classes[column])
                first = 8 * (i * num_classes + column)
                parts += (name, scores[first : first + 8], with_covariance)
                at += len(name) + 8 + num_beside
        own_bbox = bbox_bytes[i * num_bbox : (i + 1) * num_bbox]
        closing = _padding(at, 8) + own_bbox + _string(sensors_text(sensors))
        parts.append(closing)
        at += len(closing)
    return _CDR_LE + b"".join(parts)


def boxes3d_from_bytes(raw: bytes) -> Boxes3D:
    """Boxes of the serialised message, as :func:`boxes3d_from_msg` gives them.

    Raises:
        DecodeError: not plain little-endian CDR, cut short, or as :func:`boxes3d_from_msg`.
        FrameMismatchError: as :func:`boxes3d_from_msg`.
    """
    if raw[:2] != _CDR_LE[:2]:
        raise DecodeError(f"boxes serialised as {raw[:2].hex()}, not as little-endian CDR")
    try:
        return _read(memoryview(raw)[4:])
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise DecodeError(f"boxes of {len(raw)} bytes are cut short or malformed") from error


_UINT32, _TIME = struct.Struct("<I"), struct.Struct("<iI")


def _read(raw: memoryview) -> Boxes3D:
    (sec, nanosec), at = _TIME.unpack_from(raw), _TIME.size
    frame_id, at = _text(raw, at)
    num, at = _count(raw, at)
    doubles = np.frombuffer(raw[: len(raw) // 8 * 8], dtype="<f8")
    frames, ids, bbox, beside = [], [], [], []
    hypotheses: list[list[tuple[str, float]]] = []
    for _ in range(num):
        # a header's stamp is that of the array
        frame, at = _text(raw, at + -at % 4 + _TIME.size)
        frames.append(frame)
        num_mine, at = _count(raw, at)
        mine, first = [], 0
        for k in range(num_mine):
            name, at = _text(raw, at)
            at += -at % 8
            mine.append((name, float(doubles[at // 8])))
            if k == 0:
                first = at // 8 + 1 + _POSE
            at += 8 * (1 + _POSE + _COVARIANCE)
        hypotheses.append(mine)
        beside.append(first)
        at += -at % 8
        bbox.append(at // 8)
        text, at = _text(raw, at + 8 * (_POSE + _SIZE))
        ids.append(text)
    return boxes_of(
        frame_id=frame_id,
        stamp_ns=sec * _S + nanosec,
        frames=frames,
        hypotheses=hypotheses,
        pose=doubles[np.array(bbox, dtype=np.intp)[:, None] + np.arange(_POSE + _SIZE)],
        covariance=lambda: doubles[np.array(beside)[:, None] + np.arange(_COVARIANCE)],
        ids=ids,
    )


def _count(raw: memoryview, at: int) -> tuple[int, int]:
    """A number from ``at`` on, and where it ends."""
    at += -at % 4
    return _UINT32.unpack_from(raw, at)[0], at + 4


def _text(raw: memoryview, at: int) -> tuple[str, int]:
    """A text from ``at`` on, and where it ends."""
    at += -at % 4
    end = at + 4 + _UINT32.unpack_from(raw, at)[0]
    if end > len(raw):
        raise IndexError(end)
    return _decoded(bytes(raw[at + 4 : end])), end


@lru_cache(maxsize=1024)
def _decoded(raw: bytes) -> str:
    return raw[:-1].decode()


def _padding(at: int, size: int) -> bytes:
    return bytes(-at % size)


@lru_cache(maxsize=1024)
def _string(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack("<I", len(raw)) + raw


@lru_cache(maxsize=1024)
def _opening(at: int, header: bytes, num: int) -> bytes:
    """The header of a box and the number of its hypotheses, ``at`` bytes after a multiple of 8."""
    start = _padding(at, 4) + header
    return start + _padding(at + len(start), 4) + struct.pack("<I", num)


@lru_cache(maxsize=1024)
def _name(at: int, text: str) -> bytes:
    """A name and the gap before the number behind it, ``at`` bytes after a multiple of 8."""
    start = _padding(at, 4) + _string(text)
    return start + _padding(at + len(start), 8)
