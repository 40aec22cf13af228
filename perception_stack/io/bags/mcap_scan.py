"""What can still be read of an MCAP file (https://mcap.dev/spec) that may break off anywhere."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from struct import Struct
from typing import Any
from zlib import crc32

from perception_stack.io.bags.storage import MCAP_MAGIC, Channel, is_latched

_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK = 0x02, 0x03, 0x04, 0x05, 0x06
_RECORD = Struct("<BQ")
_MESSAGE_HEAD = Struct("<HIQQ")  # channel, sequence number, log time, publish time
_CHUNK_HEAD = Struct("<QQQI")  # first and last time, size and checksum of the records
_CACHED_CHUNKS = 4
_TOP = -1  # "chunk" of messages that lie in the file itself

Place = tuple[int, int, int]
"""Where a message lies: offset of its chunk in the file, offset and length inside of the chunk."""


class McapScan:
    """Index of all messages up to the end of the file or the first byte that makes no sense.

    A chunk that is cut off gives the messages before the cut, whether compressed or not.
    """

    def __init__(self, path: Path) -> None:
        self.channels: dict[int, Channel] = {}
        self.entries: list[tuple[int, int, Place]] = []
        self._name = path.name
        self._schemas: dict[int, tuple[str, str, str]] = {}
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # message bytes are copies, so chunks may be dropped and the map closed at any time
        self._chunk = lru_cache(maxsize=_CACHED_CHUNKS)(self._decompress)
        self.damage = self._scan()

    def _scan(self) -> str:
        """Fill the index; what is wrong with the file, in words."""
        size, end, num_lost = len(self._map), len(MCAP_MAGIC), 0
        try:
            for opcode, at, end in _records(self._map, len(MCAP_MAGIC), size):
                if opcode == _CHUNK:
                    num_lost += not self._take_chunk(at, end)
                elif end > size:
                    break
                elif opcode == _FOOTER:
                    return f"'{self._name}' has {num_lost} unreadable chunks" if num_lost else ""
                else:
                    self._take(opcode, self._map[at:end], (_TOP, at))
        except (struct.error, UnicodeDecodeError):
            pass  # told below, like any other end before the footer
        return f"'{self._name}' breaks off after {min(end, size)} of {size} bytes"

    def _take_chunk(self, at: int, end: int) -> bool:
        body = self._chunk(at)
        for opcode, start, stop in _records(body, 0, len(body)):
            if stop <= len(body):
                self._take(opcode, body[start:stop], (at, start))
        return bool(body) or end > len(self._map)

    def fetch(self, place: Place) -> bytes:
        """Serialised message at a place."""
        chunk, start, stop = place
        return self._map[start:stop] if chunk == _TOP else self._chunk(chunk)[start:stop]

    def close(self) -> None:
        """Let go of the file."""
        self._chunk.cache_clear()
        self._map.close()

    def _take(self, opcode: int, record: bytes, place: tuple[int, int]) -> None:
        if opcode == _MESSAGE:
            number, _, log_time_ns, _ = _MESSAGE_HEAD.unpack_from(record)
            chunk, start = place
            where = (chunk, start + _MESSAGE_HEAD.size, start + len(record))
            self.entries.append((log_time_ns, number, where))
        elif opcode == _SCHEMA:
            number = int.from_bytes(record[:2], "little")
            name, encoding, text = (part.decode() for part in _strings(record[2:], 3))
            self._schemas[number] = name, encoding, text
        elif opcode == _CHANNEL:
            number, schema = (int.from_bytes(record[i : i + 2], "little") for i in (0, 2))
            name, encoding, text = self._schemas.get(schema, ("", "", ""))
            topic, _, metadata = _strings(record[4:], 3)
            self.channels[number] = Channel(
                topic=topic.decode(),
                type=name,
                definition=text if encoding == "ros2msg" else "",
                type_hash="",
                latched=is_latched(metadata.decode(errors="replace")),
                count=0,
            )

    def _decompress(self, at: int) -> bytes:
        """Records of the chunk whose content starts at an offset, as far as they are there.

        Nothing of a chunk that was altered: it is complete but its checksum differs.
        """
        _, _, size, checksum = _CHUNK_HEAD.unpack_from(self._map, at)
        at += _CHUNK_HEAD.size
        (compression,) = _strings(self._map[at : at + 16], 1)
        at += 4 + len(compression)
        length = int.from_bytes(self._map[at : at + 8], "little")
        body = _inflate(self._map[at + 8 : at + 8 + length], compression.decode())
        altered = len(body) == size and checksum not in (0, crc32(body))
        return b"" if altered else body


def _inflate(data: bytes, compression: str) -> bytes:
    """As much as the data give; a cut is no error here, unreadable data give nothing."""
    raw: bytes
    try:
        if compression == "":
            raw = data
        elif compression == "lz4":
            raw = import_module("lz4.frame").LZ4FrameDecompressor().decompress(data)
        elif compression == "zstd":
            raw = _zstd().ZstdDecompressor().decompress(data)
        else:
            raw = b""
    except (RuntimeError, _zstd().ZstdError):
        raw = b""
    return raw


def _zstd() -> Any:
    try:
        return import_module("compression.zstd")  # Python 3.14
    except ImportError:
        return import_module("backports.zstd")


def _records(data: bytes | mmap.mmap, start: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Opcode, first and past-the-end offset of each record; the last may end past the data."""
    at = start
    while at + _RECORD.size <= size:
        opcode, length = _RECORD.unpack_from(data, at)
        if opcode == 0:  # not allowed by the format; what a crash leaves behind on some disks
            return
        at += _RECORD.size
        yield opcode, at, at + length
        at += length


def _strings(data: bytes, num: int) -> Iterator[bytes]:
    """The first strings of a run of length-prefixed ones."""
    at = 0
    for _ in range(num):
        length = int.from_bytes(data[at : at + 4], "little")
        yield data[at + 4 : at + 4 + length]
        at += 4 + length
