"""Plain CDR, little endian, written and read by hand (OMG DDSI-RTPS 2.5, section 10).

Lists of objects are hundreds of nested messages, which take the middleware's Python types 5 to 15
ms to make, to serialise or to read. Every number is aligned to its size, counted from behind the
four bytes of the encapsulation; ``at`` is a place counted so.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np

from perception_stack.datatypes import FloatArray

CDR_LE = b"\x00\x01\x00\x00"
UINT32, TIME = struct.Struct("<I"), struct.Struct("<iI")
S = 1_000_000_000


def padding(at: int, size: int) -> bytes:
    """What fills the gap before a number of ``size`` bytes."""
    return bytes(-at % size)


@lru_cache(maxsize=1024)
def string(text: str) -> bytes:
    """A text, aligned already."""
    raw = text.encode() + b"\0"
    return UINT32.pack(len(raw)) + raw


@lru_cache(maxsize=1024)
def name(at: int, text: str) -> bytes:
    """A text and the gap before the double behind it, ``at`` bytes after a multiple of 8."""
    start = padding(at, 4) + string(text)
    return start + padding(at + len(start), 8)


def time_bytes(at_ns: int) -> bytes:
    """A stamp, aligned already."""
    return TIME.pack(*divmod(at_ns, S))


def header_bytes(stamp_ns: int, frame_id: str) -> bytes:
    """A header, aligned already."""
    return time_bytes(stamp_ns) + string(frame_id)


def row_bytes(*columns: FloatArray) -> list[bytes]:
    """Row i of all columns together as doubles, aligned already; each column float64 [N, ...]."""
    num = len(columns[0])
    if num == 0:
        return []
    table = np.concatenate([one.reshape(num, -1) for one in columns], axis=1).astype("<f8")
    raw, step = table.tobytes(), 8 * table.shape[1]
    return [raw[i * step : (i + 1) * step] for i in range(num)]


def read_count(raw: memoryview, at: int) -> tuple[int, int]:
    """A number of elements, and where it ends."""
    at += -at % 4
    return UINT32.unpack_from(raw, at)[0], at + 4


def read_text(raw: memoryview, at: int) -> tuple[str, int]:
    """A text, and where it ends.

    Raises:
        IndexError: it is longer than what is there.
    """
    num, at = read_count(raw, at)
    if at + num > len(raw):
        raise IndexError(at + num)
    return _decoded(bytes(raw[at : at + num])), at + num


@lru_cache(maxsize=1024)
def _decoded(raw: bytes) -> str:
    return raw[:-1].decode()
