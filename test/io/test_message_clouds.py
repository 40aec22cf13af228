"""PointCloud2 of every layout becomes the same points."""

from __future__ import annotations

import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception_stack.datatypes import PointCloud
from perception_stack.errors import DecodeError
from perception_stack.io import pcd
from perception_stack.io.messages import cloud_from_msg, cloud_to_msg

_CODES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}
_HOLDERS = {
    "bytes": bytes,
    "array": lambda raw: array.array("B", raw),
    "ndarray": lambda raw: np.frombuffer(raw, dtype=np.uint8),
    "unaligned": lambda raw: np.frombuffer(b"x" + raw, dtype=np.uint8)[1:],
}


def _message(
    table: np.ndarray,
    *,
    height: int = 1,
    row_padding: int = 0,
    big: bool = False,
    holder: Any = bytes,
    sec: int = 3,
) -> Any:
    """A message of a structured array, as any driver might fill it."""
    width = len(table) // height
    rows = table.reshape(height, width).tobytes()
    size = width * table.dtype.itemsize
    data = b"".join(rows[i * size : (i + 1) * size] + b"\xaa" * row_padding for i in range(height))
    fields = [
        SimpleNamespace(
            name=name, offset=offset, datatype=_CODES[dtype.base.str[1:]], count=dtype.shape or 1
        )
        for name, (dtype, offset, *_) in table.dtype.fields.items()
    ]
    stamp = SimpleNamespace(sec=sec, nanosec=14)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id="velodyne"),
        height=height,
        width=width,
        fields=fields,
        is_bigendian=big,
        point_step=table.dtype.itemsize,
        row_step=size + row_padding,
        data=holder(data),
        is_dense=False,
    )


def _table(num: int, names: dict[str, tuple[str, int]], itemsize: int) -> np.ndarray:
    dtype = np.dtype(
        {
            "names": list(names),
            "formats": [kind for kind, _ in names.values()],
            "offsets": [offset for _, offset in names.values()],
            "itemsize": itemsize,
        }
    )
    table = np.zeros(num, dtype=dtype)
    for i, name in enumerate(names):
        table[name] = np.arange(num) * 3 + i
    return table


_LAYOUTS = {
    "packed": ({"x": ("<f4", 0), "y": ("<f4", 4), "z": ("<f4", 8)}, 12),
    "padded": ({"x": ("<f4", 0), "y": ("<f4", 4), "z": ("<f4", 8)}, 32),
    "shuffled": (
        {"z": ("<f4", 1), "intensity": ("<u2", 5), "x": ("<f4", 7), "y": ("<f4", 11)},
        15,
    ),
    "doubles": ({"x": ("<f8", 0), "y": ("<f8", 8), "z": ("<f8", 16)}, 24),
    "mixed": ({"x": ("<i2", 0), "y": ("<f8", 2), "z": ("<i4", 10), "intensity": ("u1", 14)}, 15),
}


@pytest.mark.parametrize("holder", _HOLDERS.values(), ids=_HOLDERS)
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize(("height", "row_padding"), [(1, 0), (3, 0), (3, 5)])
@pytest.mark.parametrize("layout", _LAYOUTS.values(), ids=_LAYOUTS)
def test_any_layout(layout: Any, height: int, row_padding: int, big: bool, holder: Any) -> None:
    names, itemsize = layout
    table = _table(12, names, itemsize)
    wire = table.astype(table.dtype.newbyteorder(">")) if big else table
    message = _message(wire, height=height, row_padding=row_padding, big=big, holder=holder)
    cloud = cloud_from_msg(message)
    for column, axis in enumerate("xyz"):
        np.testing.assert_array_equal(cloud.xyz_m[:, column], table[axis])
    assert cloud.xyz_m.dtype == np.float32
    assert cloud.xyz_m.flags.c_contiguous
    assert (cloud.frame_id, cloud.stamp_ns) == ("velodyne", 3_000_000_014)
    if "intensity" in names:
        np.testing.assert_array_equal(cloud.intensity, table["intensity"])
    else:
        assert cloud.intensity is None


@settings(deadline=None)
@given(
    xyz=hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=1, max_side=20).map(
        lambda shape: (shape[0], 3)), elements=st.floats(width=32)),
    intensity=st.booleans(),
    ring=st.booleans(),
    span_s=st.none() | st.floats(-1, 1, width=32),
    at_ns=st.integers(0, 2**31 * 10**9 - 1),
)  # fmt: skip
def test_there_and_back(
    xyz: np.ndarray, intensity: bool, ring: bool, span_s: float | None, at_ns: int
) -> None:
    num = len(xyz)
    cloud = PointCloud(
        frame_id="lidar",
        stamp_ns=at_ns,
        xyz_m=xyz,
        intensity=xyz[:, 0].copy() if intensity else None,
        ring=np.arange(num, dtype=np.uint16) if ring else None,
        time_offset_s=(
            None if span_s is None or num == 0 else np.linspace(0, span_s, num, dtype=np.float32)
        ),
    )
    back = cloud_from_msg(cloud_to_msg(cloud))
    assert (back.frame_id, back.stamp_ns) == ("lidar", at_ns)
    np.testing.assert_array_equal(back.xyz_m, cloud.xyz_m)
    np.testing.assert_equal(back.intensity, cloud.intensity)
    np.testing.assert_equal(back.ring, cloud.ring if num else None)
    np.testing.assert_equal(back.time_offset_s, cloud.time_offset_s)


def test_infinite_and_missing_points_are_kept() -> None:
    xyz = np.array([[np.nan, 1, 2], [np.inf, -np.inf, 0]], dtype=np.float32)
    message = cloud_to_msg(PointCloud(frame_id="a", stamp_ns=0, xyz_m=xyz))
    assert not message.is_dense
    np.testing.assert_array_equal(cloud_from_msg(message).xyz_m, xyz)


def test_empty_cloud_has_no_points_whatever_its_fields() -> None:
    message = _message(_table(0, *_LAYOUTS["packed"]))
    message.fields = []
    assert len(cloud_from_msg(message)) == 0


def test_row_step_of_a_single_row_is_not_needed() -> None:
    message = _message(_table(4, *_LAYOUTS["packed"]))
    message.row_step = 0
    assert len(cloud_from_msg(message)) == 4


def _drop_z(message: Any) -> None:
    message.fields = [one for one in message.fields if one.name != "z"]


def _cut(message: Any) -> None:
    message.data = message.data[:-1]


def _outside(message: Any) -> None:
    message.fields[1].offset = 10


def _strange(message: Any) -> None:
    message.fields[0].datatype = 9


def _short_rows(message: Any) -> None:
    message.height, message.width, message.row_step = 2, 2, 23


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (_drop_z, "no field z; its fields: x, y"),
        (_cut, "48 bytes by height and step, but 47"),
        (_outside, "field y ends at 14 of 12 bytes"),
        (_strange, "field x has unknown datatype 9"),
        (_short_rows, "rows of 23 bytes cannot hold 2 x 12"),
    ],
    ids=["no z", "cut", "outside", "datatype", "row step"],
)
def test_clouds_that_do_not_hold_together(spoil: Any, text: str) -> None:
    message = _message(_table(4, *_LAYOUTS["packed"]))
    spoil(message)
    with pytest.raises(DecodeError, match=text):
        cloud_from_msg(message)


_XYZ = {"x": ("<f4", 0), "y": ("<f4", 4), "z": ("<f4", 8)}
_STAMP_S = 1_700_000_000 + 14e-9
# name and type as each driver has them, and what it writes for a point at a given offset
_DRIVERS = {
    "ouster": ("t", "<u4", lambda s: s * 1e9),
    "velodyne": ("time", "<f4", lambda s: s),
    "nebula": ("time_stamp", "<u4", lambda s: s * 1e9),
    "hesai": ("timestamp", "<f8", lambda s: _STAMP_S + s),
    "livox": ("timestamp", "<f8", lambda s: 1_700_000_000_000_000_014 + s * 1e9),
    "livox custom": ("offset_time", "<u4", lambda s: s * 1e9),
    "aeva": ("time_offset_ns", "<i4", lambda s: s * 1e9),
    "microseconds": ("timeOffset", "<u4", lambda s: s * 1e6),
    "float microseconds": ("time", "<f4", lambda s: s * 1e6),
}


def _timed(name: str, kind: str, values: np.ndarray, **options: Any) -> Any:
    layout = _XYZ | {"ring": ("<u2", 12), name: (kind, 14)}
    table = _table(len(values), layout, 22)
    table[name] = values
    return _message(table, sec=1_700_000_000, **options)


@settings(deadline=None)
@given(
    driver=st.sampled_from(sorted(_DRIVERS)),
    span_s=st.floats(0.01, 0.9),
    at_end=st.booleans(),
    seed=st.integers(0, 9),
)
def test_times_of_every_driver_mean_the_same(
    driver: str, span_s: float, at_end: bool, seed: int
) -> None:
    name, kind, written = _DRIVERS[driver]
    start_s = -span_s if at_end and "u" not in kind else 0.0
    true_s = start_s + np.linspace(0, span_s, 50)
    np.random.default_rng(seed).shuffle(true_s)
    cloud = cloud_from_msg(_timed(name, kind, written(true_s)))
    assert cloud.time_offset_s is not None
    # float64 seconds since 1970 are 0.24 µs apart, microseconds as integers 1 µs
    np.testing.assert_allclose(cloud.time_offset_s, true_s, atol=1.1e-6)
    np.testing.assert_array_equal(cloud.ring, np.arange(50) * 3 + 3)


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("height", [1, 5])
def test_times_of_any_layout(height: int, big: bool) -> None:
    layout = _XYZ | {"t": ("<u4", 13), "channel": ("u1", 12)}
    table = _table(10, layout, 18)
    table["t"] = np.arange(10) * 10_000_000
    wire = table.astype(table.dtype.newbyteorder(">")) if big else table
    cloud = cloud_from_msg(_message(wire, height=height, row_padding=height - 1, big=big))
    np.testing.assert_allclose(cloud.time_offset_s, np.arange(10) / 100, atol=1e-9)
    np.testing.assert_array_equal(cloud.ring, table["channel"])


@pytest.mark.parametrize(
    ("kind", "values"),
    [("<f8", [0.0, 1.7e9]), ("<f8", [1e9, 1e9 + 0.1]), ("<f8", [0.0, np.nan])],
    ids=["some at zero", "another clock", "not a number"],
)
def test_impossible_times_stay_impossible(kind: str, values: list[float]) -> None:
    offset_s = cloud_from_msg(_timed("timestamp", kind, np.array(values))).time_offset_s
    assert offset_s is not None
    assert not (np.abs(offset_s) < 1.0).all()


def test_fields_of_other_meaning_are_no_times_and_no_beams() -> None:
    layout = _XYZ | {"tag": ("u1", 12), "ring": ("<f4", 13), "range": ("<u4", 17)}
    cloud = cloud_from_msg(_message(_table(4, layout, 21)))
    assert cloud.time_offset_s is None
    assert cloud.ring is None


def test_a_cut_out_of_a_scan_is_not_taken_for_a_scan_in_microseconds() -> None:
    offset_s = cloud_from_msg(_timed("t", "<u4", np.array([0, 400_000]))).time_offset_s
    np.testing.assert_allclose(offset_s, [0, 4e-4])


def _as_sent(path: Path, stamp_s: int) -> tuple[Any, np.ndarray]:
    """The message that the driver of a recording in the PCD format sent, and its values."""
    content = path.read_bytes()
    table = pcd._points(content)
    return _message(table, sec=stamp_s), table


def test_times_of_a_real_scan_turn_with_the_scanner(data_dir: Path) -> None:
    path = data_dir / "calib_lidar_lidar" / "0001" / "top.pcd"
    if not path.is_file():
        pytest.skip(f"no {path}")
    message, table = _as_sent(path, 1644917497)
    cloud = cloud_from_msg(message)
    assert cloud.time_offset_s is not None
    np.testing.assert_array_equal(cloud.ring, table["ring"])
    assert np.ptp(cloud.time_offset_s) == pytest.approx(0.1, abs=1e-3)  # 10 Hz
    # all beams of a column are fired at once, so within one the bearing grows with the time
    one = (cloud.ring == 40) & (np.hypot(*cloud.xyz_m[:, :2].T) > 3)
    bearing = np.unwrap(np.arctan2(cloud.xyz_m[one, 1], cloud.xyz_m[one, 0]))
    turn = np.polyfit(cloud.time_offset_s[one], bearing, 1)
    assert abs(turn[0]) == pytest.approx(2 * np.pi / 0.1, rel=0.01)
    assert np.abs(bearing - np.polyval(turn, cloud.time_offset_s[one])).max() < 0.02


def test_real_times_within_a_packet_only_are_not_blown_up(data_dir: Path) -> None:
    """This recording has the time of each point within its packet of 1.3 ms, not the scan's."""
    path = data_dir / "ros2_bags" / "nebula_vlp16" / "1673400472138016708.pcd"
    if not path.is_file():
        pytest.skip(f"no {path}")
    message, table = _as_sent(path, 1673400472)
    cloud = cloud_from_msg(message)
    np.testing.assert_allclose(cloud.time_offset_s, table["time_stamp"] * 1e-9, rtol=1e-6)
    np.testing.assert_array_equal(cloud.ring, table["channel"])
