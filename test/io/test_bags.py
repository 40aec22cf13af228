"""Bags are written and read back, in both storages, whole and piecewise."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception_stack.errors import ConfigError, DataFileError, DecodeError
from perception_stack.io.bags import STORAGES, BagReader, BagWriter
from perception_stack.io.interfaces import build_message

_CLOCK = "rosgraph_msgs/msg/Clock"
_STRING = "std_msgs/msg/String"


def _clock(sec: int) -> Any:
    return build_message(
        _CLOCK, clock=build_message("builtin_interfaces/msg/Time", sec=sec, nanosec=0)
    )


def _image(value: int, num_bytes: int = 400_000) -> Any:
    stamp = build_message("builtin_interfaces/msg/Time", sec=value, nanosec=0)
    return build_message(
        "sensor_msgs/msg/Image",
        header=build_message("std_msgs/msg/Header", stamp=stamp, frame_id="camera"),
        height=1,
        width=num_bytes,
        encoding="mono8",
        is_bigendian=0,
        step=num_bytes,
        data=np.full(num_bytes, value, dtype=np.uint8),
    )


def _write(path: Path, storage: str, num: int = 20) -> list[tuple[str, int]]:
    """Two topics with equal log times, over several chunks."""
    with BagWriter(path, storage=storage) as writer:
        for i in range(num):
            writer.write("/clock", _clock(i), log_time_ns=i * 100)
            writer.write("/image", _image(i), log_time_ns=i * 100)
    return [(topic, i * 100) for i in range(num) for topic in ("/clock", "/image")]


def _storage_file(bag: Path) -> Path:
    return next(one for one in bag.iterdir() if one.suffix != ".yaml")


def _contents(path: Path) -> list[tuple[str, int]]:
    with BagReader(path) as reader:
        return [(one.topic, one.log_time_ns) for one in reader.messages()]


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_was_written_is_read(tmp_path: Path, storage: str) -> None:
    written = _write(tmp_path / "bag", storage)
    with BagReader(tmp_path / "bag") as reader:
        assert reader.topics == {"/clock": _CLOCK, "/image": "sensor_msgs/msg/Image"}
        assert reader.counts == {"/clock": 20, "/image": 20}
        assert (reader.start_ns, reader.end_ns, reader.duration_ns) == (0, 1900, 1900)
        assert (reader.damage, reader.unknown_types) == ("", {})
        messages = list(reader.messages())
    assert [(one.topic, one.log_time_ns) for one in messages] == written
    assert [one.message.clock.sec for one in messages if one.topic == "/clock"] == list(range(20))
    assert all((one.message.data == i // 2).all() for i, one in enumerate(messages) if i % 2)


def test_storage_file_alone_is_a_bag(tmp_path: Path, storage: str) -> None:
    written = _write(tmp_path / "bag", storage)
    assert _contents(_storage_file(tmp_path / "bag")) == written


def test_only_the_wanted_topics_come(tmp_path: Path, storage: str) -> None:
    _write(tmp_path / "bag", storage, num=3)
    with BagReader(tmp_path / "bag") as reader:
        assert {one.topic for one in reader.messages(["/image"])} == {"/image"}
        assert list(reader.messages(["/absent"])) == []
        assert list(reader.messages([])) == []


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(times=st.lists(st.integers(0, 5), max_size=30), big=st.booleans())
def test_messages_come_by_log_time_and_then_as_written(
    tmp_path: Path, storage: str, times: list[int], big: bool
) -> None:
    path = tmp_path / "bag"
    shutil.rmtree(path, ignore_errors=True)
    with BagWriter(path, storage=storage) as writer:
        for i, time in enumerate(times):
            writer.write(f"/topic{i % 3}", _image(i, 300_000 if big else 3), log_time_ns=time)
    with BagReader(path) as reader:
        read = [(one.log_time_ns, one.message.header.stamp.sec) for one in reader.messages()]
    assert read == sorted((time, i) for i, time in enumerate(times))


def test_bag_without_messages_is_a_bag(tmp_path: Path, storage: str) -> None:
    with BagWriter(tmp_path / "bag", storage=storage) as writer:
        writer.add_topic("/clock", type_name=_CLOCK)
    with BagReader(tmp_path / "bag") as reader:
        assert reader.counts == {"/clock": 0}
        assert (reader.start_ns, reader.duration_ns) == (0, 0)
        assert list(reader.messages()) == []
        with pytest.raises(DataFileError, match="/clock has no messages"):
            reader.require({"/clock": _CLOCK})


def test_writer_that_fails_leaves_what_it_wrote(tmp_path: Path, storage: str) -> None:
    def fail() -> None:
        with BagWriter(tmp_path / "bag", storage=storage) as writer:
            writer.write("/clock", _clock(1), log_time_ns=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _contents(tmp_path / "bag") == [("/clock", 1)]


def test_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        _write(tmp_path / name / "bag", "mcap", num=4)
        files.append(_storage_file(tmp_path / name / "bag").read_bytes())
    assert files[0] == files[1]


def test_metadata_is_what_ros2_bag_needs(tmp_path: Path, storage: str) -> None:
    with BagWriter(tmp_path / "bag", storage=storage) as writer:
        writer.write("/clock", _clock(1), log_time_ns=5)
        writer.write(
            "/tf_static", build_message("tf2_msgs/msg/TFMessage", transforms=[]), log_time_ns=7
        )
    text = (tmp_path / "bag" / "metadata.yaml").read_text()
    info = yaml.safe_load(text)["rosbag2_bagfile_information"]
    assert info["storage_identifier"] == storage
    assert info["relative_file_paths"] == [_storage_file(tmp_path / "bag").name]
    assert info["starting_time"] == {"nanoseconds_since_epoch": 5}
    assert info["duration"] == {"nanoseconds": 2}
    topics = {
        one["topic_metadata"]["name"]: one["topic_metadata"]
        for one in info["topics_with_message_count"]
    }
    qos = {name: yaml.safe_load(one["offered_qos_profiles"])[0] for name, one in topics.items()}
    # values of rmw's enumerations
    assert {name: (one["reliability"], one["durability"]) for name, one in qos.items()} == {
        "/clock": (1, 2),
        "/tf_static": (1, 1),
    }
    assert topics["/clock"]["type_description_hash"].startswith("RIHS01_")
    with BagReader(tmp_path / "bag") as reader:
        assert reader.latched == {"/tf_static"}


def test_raw_messages_are_carried_through(tmp_path: Path) -> None:
    bag, copy = tmp_path / "one" / "bag", tmp_path / "two" / "bag"
    _write(bag, "mcap", num=3)
    with BagReader(bag) as reader, BagWriter(copy) as writer:
        for one in reader.messages():
            writer.write_raw(one.topic, one.raw, type_name=one.type, log_time_ns=one.log_time_ns)
    assert _storage_file(bag).read_bytes() == _storage_file(copy).read_bytes()


@pytest.mark.parametrize(
    ("needed", "text"),
    [
        ({"/points": "sensor_msgs/msg/PointCloud2"}, r"no topic /points .*/clock \(rosgraph"),
        ({"/clock": "sensor_msgs/msg/Image"}, "/clock is rosgraph_msgs/msg/Clock, sensor_msgs"),
    ],
    ids=["missing", "other type"],
)
def test_needed_topics_that_are_not_there(
    tmp_path: Path, needed: dict[str, str], text: str
) -> None:
    _write(tmp_path / "bag", "mcap", num=1)
    with BagReader(tmp_path / "bag") as reader:
        reader.require({"/clock": _CLOCK})
        with pytest.raises(DataFileError, match=text):
            reader.require(needed)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda _: None, "no such file or folder"),
        (lambda path: path.mkdir(), "no .mcap or .db3 file in it"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"#ROSBAG V2.0\n" + b"x" * 99), "ROS 1 bag"),
        (lambda path: path.write_bytes(b"x" * 99), "neither MCAP nor SQLite"),
    ],
    ids=["absent", "empty folder", "empty file", "ros1", "garbage"],
)
def test_what_is_no_bag_is_refused(tmp_path: Path, make: Any, text: str) -> None:
    make(tmp_path / "bag")
    with pytest.raises(DataFileError, match=text):
        BagReader(tmp_path / "bag")


@pytest.mark.parametrize(
    ("name", "storage_name", "text"),
    [
        ("there", "mcap", "exists"),
        ("new.mcap", "mcap", "a bag is a folder"),
        ("new", "bag", "not one of mcap, sqlite3"),
    ],
    ids=["exists", "file name", "storage"],
)
def test_bag_that_cannot_be_made(tmp_path: Path, name: str, storage_name: str, text: str) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError, match=text):
        BagWriter(tmp_path / name, storage=storage_name)


def test_topic_keeps_its_type(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/clock", _clock(1), log_time_ns=1)
        with pytest.raises(ConfigError, match="/clock is rosgraph_msgs/msg/Clock"):
            writer.write_raw("/clock", b"", type_name=_STRING, log_time_ns=2)
        with pytest.raises(ConfigError, match="no definition"):
            writer.add_topic("/other", type_name="other_msgs/msg/Other")


def test_damage_in_the_middle_is_told(tmp_path: Path) -> None:
    _write(tmp_path / "bag", "mcap")
    file = _storage_file(tmp_path / "bag")
    content = bytearray(file.read_bytes())
    # the length of the second image's record becomes nonsense
    at = content.index(bytes([1]) * 1000) - 60
    content[at - 30 : at] = b"\xff" * 30
    file.write_bytes(content)
    with BagReader(tmp_path / "bag") as reader, pytest.raises(DataFileError, match="damaged"):
        list(reader.messages())


def test_fewer_messages_than_promised_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path / "bag", "mcap", num=4)
    metadata = tmp_path / "bag" / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("message_count: 4", "message_count: 6"))
    with BagReader(tmp_path / "bag") as reader, caplog.at_level(logging.WARNING):
        assert len(list(reader.messages())) == 8
    assert "only 8 of 12 messages" in caplog.text


def test_real_bag_with_unknown_type(data_dir: Path) -> None:
    with BagReader(data_dir / "ros2_bags" / "nebula_vlp16" / "1673400471837873222") as reader:
        assert reader.unknown_types == {"velodyne_msgs/msg/VelodyneScan": 4}
        messages = list(reader.messages())
    assert len(messages) == 4
    assert messages[-1].log_time_ns - messages[0].log_time_ns == 300143486
    with pytest.raises(DecodeError, match="VelodyneScan"):
        _ = messages[0].message
