"""Bags that were cut, never closed or altered give what is left of them."""

from __future__ import annotations

import shutil
import sqlite3
import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from backports import zstd
from lz4 import frame as lz4

from perception_stack.errors import DataFileError
from perception_stack.io.bags import STORAGES, BagReader, BagWriter
from perception_stack.io.interfaces import build_message, encode, typestore

_STRING = "std_msgs/msg/String"
_NUM = 60


def _text(i: int) -> str:
    return f"{i}:" + "x" * 60_000


def _message(i: int) -> Any:
    return build_message(_STRING, data=_text(i))


@pytest.fixture(scope="module", params=STORAGES)
def bag(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("whole") / "bag"
    with BagWriter(path, storage=request.param) as writer:
        for i in range(_NUM):
            writer.write("/text", _message(i), log_time_ns=1000 + i)
    return path


def _file_of(bag: Path) -> Path:
    return next(one for one in bag.iterdir() if one.suffix != ".yaml")


def _read(path: Path) -> tuple[list[int], str]:
    """Numbers of the messages, each of which must be whole, and the damage."""
    with BagReader(path) as reader:
        texts = [one.message.data for one in reader.messages()]
        assert reader.counts == {"/text": len(texts)}
        numbers = [int(text.split(":")[0]) for text in texts]
        assert texts == [_text(i) for i in numbers]
        return numbers, reader.damage


@pytest.mark.parametrize("part", [0.25, 0.5, 0.77, 0.999, 1.0])
def test_cut_bag_gives_the_messages_before_the_cut(bag: Path, tmp_path: Path, part: float) -> None:
    copy = Path(shutil.copytree(bag, tmp_path / "bag"))
    file = _file_of(copy)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * part) - 1])
    numbers, damage = _read(copy)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= int(_NUM * part) - 2
    assert f"{len(numbers)} messages were recovered" in damage


@pytest.mark.parametrize("num_bytes", [9, 100, 800, 5000])
def test_bag_cut_before_its_first_message_is_refused(
    bag: Path, tmp_path: Path, num_bytes: int
) -> None:
    copy = Path(shutil.copytree(bag, tmp_path / "bag"))
    file = _file_of(copy)
    file.write_bytes(file.read_bytes()[:num_bytes])
    with pytest.raises(DataFileError, match=r"recovered|lost|no rosbag2 bag"):
        BagReader(copy)


def test_folder_without_metadata(bag: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bag, tmp_path / "bag"))
    (copy / "metadata.yaml").unlink()
    numbers, damage = _read(copy)
    assert numbers == list(range(_NUM))
    assert "metadata" in damage


def test_split_bag_with_one_cut_file(bag: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    suffix = _file_of(bag).suffix
    content = _file_of(bag).read_bytes()
    (folder / f"part_9{suffix}").write_bytes(content)
    (folder / f"part_10{suffix}").write_bytes(content[: len(content) // 2])
    with BagReader(folder) as reader:
        times = [one.log_time_ns for one in reader.messages()]
        assert f"part_10{suffix}" in reader.damage
    assert times == sorted(times)
    assert len(times) > 1.4 * _NUM


def test_journal_of_a_writer_that_died_is_used(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", storage="sqlite3") as writer:
        writer.write("/text", _message(0), log_time_ns=1000)
    file = _file_of(tmp_path / "bag")
    raw, _ = encode(_message(1))
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("INSERT INTO messages VALUES (2, 1, 1001, ?)", (bytes(raw),))
    database.commit()
    copy = Path(shutil.copytree(tmp_path / "bag", tmp_path / "copy"))
    database.close()
    assert _read(copy)[0] == [0, 1]


def _record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


def _string(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode()


def _messages(first: int, num: int) -> bytes:
    """Schema, channel and messages as records; the payload does not compress to nothing."""
    definition, _ = typestore().generate_msgdef(_STRING, ros_version=2)
    schema = struct.pack("<H", 1) + _string(_STRING) + _string("ros2msg") + _string(definition)
    channel = struct.pack("<HH", 1, 1) + _string("/noise") + _string("cdr") + _string("")
    records = _record(3, schema) + _record(4, channel)
    for i in range(first, first + num):
        noise = np.random.default_rng(i).integers(97, 122, 5000, dtype=np.uint8)
        raw, _ = encode(build_message(_STRING, data=noise.tobytes().decode()))
        records += _record(5, struct.pack("<HIQQ", 1, 0, i, i) + bytes(raw))
    return records


def _chunk(records: bytes, compression: str, *, checksum: int = 0) -> bytes:
    packed = {"": bytes, "zstd": zstd.compress, "lz4": lz4.compress}[compression](records)
    head = struct.pack("<QQQI", 0, 9, len(records), checksum) + _string(compression)
    return _record(6, head + struct.pack("<Q", len(packed)) + packed)


_START = b"\x89MCAP0\r\n" + _record(1, _string("") + _string("test"))
_END = _record(15, bytes(4)) + _record(2, bytes(20)) + b"\x89MCAP0\r\n"


def _times(path: Path) -> list[int]:
    with BagReader(path) as reader:
        return [one.log_time_ns for one in reader.messages()]


@pytest.mark.parametrize("compression", ["", "zstd", "lz4"])
def test_cut_chunk_gives_its_first_messages(tmp_path: Path, compression: str) -> None:
    second = _chunk(_messages(200, 200), compression)
    content = _START + _chunk(_messages(0, 200), compression) + second
    (tmp_path / "cut.mcap").write_bytes(content[: -len(second) // 2])
    times = _times(tmp_path / "cut.mcap")
    assert times == list(range(len(times)))
    assert 210 < len(times) < 390


def test_unindexed_messages_out_of_order_are_sorted(tmp_path: Path) -> None:
    content = _START + _messages(50, 3) + _messages(10, 3) + _END
    (tmp_path / "plain.mcap").write_bytes(content)
    assert _times(tmp_path / "plain.mcap") == [10, 11, 12, 50, 51, 52]


def test_chunk_with_wrong_checksum_is_left_out_and_told(tmp_path: Path) -> None:
    good, bad = _messages(0, 3), _messages(3, 3)
    content = _chunk(good, "", checksum=crc32(good)) + _chunk(bad, "", checksum=1)
    (tmp_path / "bad.mcap").write_bytes(_START + content + _END)
    with BagReader(tmp_path / "bad.mcap") as reader:
        assert len(list(reader.messages())) == 3
        assert "1 unreadable chunks" in reader.damage


def test_zeros_after_a_power_cut_are_no_messages(tmp_path: Path) -> None:
    (tmp_path / "zeros.mcap").write_bytes(_START + _messages(0, 3) + bytes(10_000))
    with BagReader(tmp_path / "zeros.mcap") as reader:
        assert len(list(reader.messages())) == 3
        assert "breaks off" in reader.damage
