"""Lists of objects as bytes on the wire: plain CDR, little endian, as the middleware has it.

They are hundreds of nested messages, which its Python types take 5 to 15 ms to make, to serialise
or to read. ``_kernels`` knows how the messages are laid out.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Hashable, Iterable
from types import SimpleNamespace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray, TrackedObjects
from perception_stack.errors import DecodeError
from perception_stack.io.messages.boxes import Hypotheses, boxes_of, sensors_text
from perception_stack.io.messages.objects import SHAPE_BOX, objects_from_msg

HashableT = TypeVar("HashableT", bound=Hashable)

_CDR_LE = b"\x00\x01\x00\x00"
_HEADER = struct.Struct("<iII")  # seconds, nanoseconds, size of the frame's name
_S = 1_000_000_000
_POSE, _COVARIANCE, _SIZE = 7, 36, 3
# bytes for small numbers and alignment: of an element, and of a text with what is behind it
_SMALL, _GAPS = 96, 32


def boxes3d_to_bytes(boxes: Boxes3D) -> bytes:
    """The serialised message, as :func:`boxes3d_to_msg` has it."""
    from perception_stack.io.messages import _kernels as kernels

    header = _header_bytes(boxes.stamp_ns, boxes.frame_id)
    names, name_size = _text_table(boxes.classes)
    sensors, sensors_of_box = _numbered(boxes.sensors)
    ids, id_size = _text_table(map(sensors_text, sensors))
    probs = np.ascontiguousarray(boxes.class_probs)
    given = probs > 0
    pose = _beside(boxes.center_m, boxes.quat_xyzw, boxes.covariance)
    bbox = _beside(boxes.center_m, boxes.quat_xyzw, boxes.size_lwh_m)
    body = _room(
        len(boxes) * (len(header) + ids.shape[1] + _GAPS)
        + np.count_nonzero(given) * (names.shape[1] + _GAPS + pose[:1].nbytes)
        + bbox.nbytes
        + (len(boxes) + 1) * _SMALL
        + len(header)
    )
    at = kernels.put_uint32(body, kernels.put_bytes(body, 0, header), len(boxes))
    end = kernels.put_boxes(
        body,
        at,
        header,
        names,
        name_size,
        given,
        boxes.score[:, None] * probs,
        pose,
        bbox,
        ids,
        id_size,
        sensors_of_box,
    )
    return _message(body, end)


def boxes3d_from_bytes(raw: bytes) -> Boxes3D:
    """Boxes of the serialised message, as :func:`boxes3d_from_msg` gives them.

    Raises:
        DecodeError: not plain little-endian CDR, cut short, or as :func:`boxes3d_from_msg`.
        FrameMismatchError: as :func:`boxes3d_from_msg`.
    """
    if raw[:2] != _CDR_LE[:2]:
        raise DecodeError(f"boxes serialised as {raw[:2].hex()}, not as little-endian CDR")
    try:
        return _read_boxes(raw[len(_CDR_LE) :])
    except (struct.error, UnicodeDecodeError, EOFError) as error:
        raise DecodeError(f"boxes of {len(raw)} bytes are cut short or malformed") from error


def objects_to_bytes(objects: TrackedObjects) -> bytes:
    """The serialised message, as :func:`objects_to_msg` has it."""
    from perception_stack.io.messages import _kernels as kernels

    boxes, num = objects.boxes, len(objects)
    header = _header_bytes(objects.stamp_ns, objects.frame_id)
    names, name_size = _text_table(boxes.classes)
    groups, group_of_object = _numbered(boxes.sensors)
    sensors, number = _numbered(one for group in groups for one in group)
    sensor, sensor_size = _text_table(sensors)
    num_sensors = np.array([len(one) for one in groups], dtype=np.int64)
    sensors_of_group = np.full((len(groups), num_sensors.max(initial=0)), -1)
    sensors_of_group[np.arange(sensors_of_group.shape[1]) < num_sensors[:, None]] = number
    probs = np.ascontiguousarray(boxes.class_probs)
    pose = _beside(boxes.center_m, boxes.quat_xyzw, boxes.covariance)
    motion = _beside(
        objects.velocity_mps,
        objects.angular_velocity_radps,
        objects.twist_covariance,
        objects.acceleration_mps2,
        np.full((num, 3 + _COVARIANCE), np.nan),  # angular acceleration is not known
    )
    size = _beside(boxes.size_lwh_m, objects.size_covariance)
    uuid = np.frombuffer(b"".join(one.bytes for one in objects.ids), dtype=np.uint8)
    body = _room(
        num * len(names) * (names.shape[1] + _GAPS)
        + num * sensors_of_group.shape[1] * (sensor.shape[1] + _GAPS)
        + sum(one.nbytes for one in (pose, motion, size))
        + (num + 1) * _SMALL
        + len(header)
    )
    at = kernels.put_uint32(body, kernels.put_bytes(body, 0, header), num)
    end = kernels.put_objects(
        body,
        at,
        uuid.reshape(num, 16),
        np.ascontiguousarray(objects.state),
        boxes.score.astype(np.float32).view(np.uint32),
        names,
        name_size,
        np.argsort(-probs, axis=1, kind="stable"),
        probs,
        pose,
        np.ascontiguousarray(objects.orientation_known),
        motion,
        np.ascontiguousarray(objects.stationary),
        SHAPE_BOX,
        size,
        sensor,
        sensor_size,
        sensors_of_group[group_of_object],
        np.ascontiguousarray(objects.num_detections),
        np.stack(np.divmod(objects.last_seen_ns, _S), axis=1),
    )
    return _message(body, end)


def warm_up() -> None:
    """Compile what messages are written and read with, which takes seconds the first time."""
    boxes = Boxes3D.empty(frame_id="", stamp_ns=0)
    boxes3d_from_bytes(boxes3d_to_bytes(boxes))
    header = SimpleNamespace(frame_id="", stamp=SimpleNamespace(sec=0, nanosec=0))
    objects_to_bytes(objects_from_msg(SimpleNamespace(header=header, objects=[])))


def _read_boxes(raw: bytes) -> Boxes3D:
    from perception_stack.io.messages import _kernels as kernels

    sec, nanosec, size = _HEADER.unpack_from(raw)
    octets = np.frombuffer(raw, dtype=np.uint8)
    num, at = kernels.uint32_at(octets, _HEADER.size + size)
    complete, spans, frame, identity, bbox, box, label, score = kernels.find_boxes(octets, at, num)
    if not complete or at > len(raw):
        raise EOFError
    # without the closing zero
    texts = [raw[start : end - 1].decode() for start, end in spans.tolist()]
    doubles = np.frombuffer(raw[: len(raw) // 8 * 8], dtype="<f8")
    hypotheses = Hypotheses(
        num_objects=num, of_object=box, names=texts, name=label, score=doubles[score]
    )
    behind_score = 1 + _POSE + np.arange(_COVARIANCE)
    return boxes_of(
        frame_id=raw[_HEADER.size : _HEADER.size + size - 1].decode(),
        stamp_ns=sec * _S + nanosec,
        frames=[texts[i] for i in frame],
        hypotheses=hypotheses,
        pose=doubles[bbox[:, None] + np.arange(_POSE + _SIZE)],
        covariance=lambda: doubles[score[hypotheses.first, None] + behind_score],
        ids=[texts[i] for i in identity],
    )


def _message(body: FloatArray, end: int) -> bytes:
    return _CDR_LE + body.view(np.uint8)[:end].tobytes()


def _header_bytes(stamp_ns: int, frame_id: str) -> NDArray[np.uint8]:
    text = frame_id.encode() + b"\0"
    return np.frombuffer(_HEADER.pack(*divmod(stamp_ns, _S), len(text)) + text, dtype=np.uint8)


def _text_table(texts: Iterable[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Texts as the kernels take them: uint8 [K, L] and int64 [K]."""
    raw = [one.encode() + b"\0" for one in texts]
    size = np.array([len(one) for one in raw], dtype=np.int64)
    width = size.max(initial=1)
    return np.array(raw, dtype=f"S{width}").view(np.uint8).reshape(len(raw), width), size


def _numbered(values: Iterable[HashableT]) -> tuple[list[HashableT], NDArray[np.int64]]:
    """The distinct ones, and which of them each is."""
    number: dict[HashableT, int] = {}
    which = [number.setdefault(one, len(number)) for one in values]
    return list(number), np.array(which, dtype=np.int64)


def _beside(*columns: FloatArray) -> FloatArray:
    """All that belongs to one of N things side by side, float64 [N, K]; columns are [N, ...]."""
    num = len(columns[0])
    flat = [one.reshape(num, math.prod(one.shape[1:])) for one in columns]
    return np.concatenate(flat, axis=1)


def _room(num_bytes: int) -> FloatArray:
    """Zeros for so many bytes, whose words are aligned."""
    return np.zeros(-(-num_bytes // 8))
