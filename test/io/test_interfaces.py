"""The message definitions we carry are those that the nodes are built with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.typesys import get_types_from_msg

from perception_stack.errors import DecodeError
from perception_stack.io import interfaces

_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = {
    "perception_stack": _ROOT / "msg",
    "vision_msgs": _ROOT / "underlay" / "vision_msgs" / "msg",
}
_CLOCK = "rosgraph_msgs/msg/Clock"


def _clock(sec: int) -> object:
    time = interfaces.build_message("builtin_interfaces/msg/Time", sec=sec, nanosec=5)
    return interfaces.build_message(_CLOCK, clock=time)


@pytest.mark.parametrize("name", interfaces.DEFINITIONS)
def test_definition_equals_the_one_that_is_built(name: str) -> None:
    package, _, short = name.split("/")
    built = get_types_from_msg((_SOURCES[package] / f"{short}.msg").read_text(), name)[name]
    constants, fields = interfaces.typestore().fielddefs[name]
    assert fields == built[1]
    assert sorted(constants) == sorted(built[0])


def test_every_own_message_is_there() -> None:
    names = {
        f"perception_stack/msg/{file.stem}" for file in _SOURCES["perception_stack"].iterdir()
    }
    assert names <= set(interfaces.DEFINITIONS)


def test_type_hash_is_the_published_one() -> None:
    # as the generated sources of ROS 2 Jazzy have it
    expected = "RIHS01_692f7a66e93a3c83e71765d033b60349ba68023a8c689a79e48078bcb5c58564"
    assert interfaces.typestore().hash_rihs01(_CLOCK) == expected


def test_message_survives_serialisation() -> None:
    raw, name = interfaces.encode(_clock(7))
    assert name == _CLOCK
    assert interfaces.decode(bytes(raw), name) == _clock(7)


@settings(deadline=None)
@given(raw=st.binary(max_size=64))
def test_bytes_that_are_no_message_give_a_decode_error(raw: bytes) -> None:
    for name in ("vision_msgs/msg/Detection3DArray", "sensor_msgs/msg/PointCloud2"):
        try:
            interfaces.decode(raw, name)
        except DecodeError as error:
            assert name in str(error)  # noqa: PT017


def test_unknown_type_gives_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="velodyne_msgs/msg/VelodyneScan"):
        interfaces.decode(b"\0\1\0\0", "velodyne_msgs/msg/VelodyneScan")


def test_other_version_of_a_known_type_is_unknown() -> None:
    name = "vision_msgs/msg/Detection3D"
    ours, _ = interfaces.typestore().generate_msgdef(name, ros_version=2)
    assert interfaces.is_known(name, ours)
    assert not interfaces.is_known(name, ours.replace("string id", "string tracking_id"))
    assert not interfaces.is_known(name, "no ] definition {")
    assert not interfaces.is_known("some_msgs/msg/Other", "int8 a")
