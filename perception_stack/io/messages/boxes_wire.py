"""``vision_msgs/Detection3DArray`` as bytes on the wire; see ``wire``."""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np

from perception_stack.datatypes import Boxes3D
from perception_stack.errors import DecodeError
from perception_stack.io.messages.boxes import boxes_of, sensors_text
from perception_stack.io.messages.wire import (
    CDR_LE,
    TIME,
    UINT32,
    S,
    header_bytes,
    name,
    padding,
    read_count,
    read_text,
    row_bytes,
    string,
)

_POSE, _COVARIANCE, _SIZE = 7, 36, 3


def boxes3d_to_bytes(boxes: Boxes3D) -> bytes:
    """The serialised message, as :func:`boxes3d_to_msg` has it."""
    header = header_bytes(boxes.stamp_ns, boxes.frame_id)
    start = header + padding(len(header), 4) + UINT32.pack(len(boxes))
    beside = row_bytes(boxes.center_m, boxes.quat_xyzw, boxes.covariance)
    bbox = row_bytes(boxes.center_m, boxes.quat_xyzw, boxes.size_lwh_m)
    scores = (boxes.score[:, None] * boxes.class_probs).astype("<f8").tobytes()
    num_classes = len(boxes.classes)
    parts, at = [start], len(start)
    for i, (given, sensors) in enumerate(
        zip((boxes.class_probs > 0).tolist(), boxes.sensors, strict=True)
    ):
        opening = _opening(at % 8, header, sum(given))
        parts.append(opening)
        at += len(opening)
        for column in range(num_classes):
            if given[column]:
                text = name(at % 8, boxes.classes[column])
                first = 8 * (i * num_classes + column)
                parts += (text, scores[first : first + 8], beside[i])
                at += len(text) + 8 + len(beside[i])
        closing = padding(at, 8) + bbox[i] + string(sensors_text(sensors))
        parts.append(closing)
        at += len(closing)
    return CDR_LE + b"".join(parts)


def boxes3d_from_bytes(raw: bytes) -> Boxes3D:
    """Boxes of the serialised message, as :func:`boxes3d_from_msg` gives them.

    Raises:
        DecodeError: not plain little-endian CDR, cut short, or as :func:`boxes3d_from_msg`.
        FrameMismatchError: as :func:`boxes3d_from_msg`.
    """
    if raw[:2] != CDR_LE[:2]:
        raise DecodeError(f"boxes serialised as {raw[:2].hex()}, not as little-endian CDR")
    try:
        return _read(memoryview(raw)[4:])
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise DecodeError(f"boxes of {len(raw)} bytes are cut short or malformed") from error


def _read(raw: memoryview) -> Boxes3D:
    (sec, nanosec), at = TIME.unpack_from(raw), TIME.size
    frame_id, at = read_text(raw, at)
    num, at = read_count(raw, at)
    doubles = np.frombuffer(raw[: len(raw) // 8 * 8], dtype="<f8")
    frames, ids, bbox, beside = [], [], [], []
    hypotheses: list[list[tuple[str, float]]] = []
    for _ in range(num):
        # a header's stamp is that of the array
        frame, at = read_text(raw, at + -at % 4 + TIME.size)
        frames.append(frame)
        num_mine, at = read_count(raw, at)
        mine, first = [], 0
        for k in range(num_mine):
            label, at = read_text(raw, at)
            at += -at % 8
            mine.append((label, float(doubles[at // 8])))
            if k == 0:
                first = at // 8 + 1 + _POSE
            at += 8 * (1 + _POSE + _COVARIANCE)
        hypotheses.append(mine)
        beside.append(first)
        at += -at % 8
        bbox.append(at // 8)
        text, at = read_text(raw, at + 8 * (_POSE + _SIZE))
        ids.append(text)
    return boxes_of(
        frame_id=frame_id,
        stamp_ns=sec * S + nanosec,
        frames=frames,
        hypotheses=hypotheses,
        pose=doubles[np.array(bbox, dtype=np.intp)[:, None] + np.arange(_POSE + _SIZE)],
        covariance=lambda: doubles[np.array(beside)[:, None] + np.arange(_COVARIANCE)],
        ids=ids,
    )


@lru_cache(maxsize=1024)
def _opening(at: int, header: bytes, num: int) -> bytes:
    """The header of a box and the number of its hypotheses, ``at`` bytes after a multiple of 8."""
    start = padding(at, 4) + header
    return start + padding(at + len(start), 4) + UINT32.pack(num)
