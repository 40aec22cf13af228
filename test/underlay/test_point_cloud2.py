"""sensor_msgs_py: every layout there and back, against bytes packed by ``struct``."""

from __future__ import annotations

import array
import struct
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy")
point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2")
msgs = pytest.importorskip("sensor_msgs.msg")
Header = pytest.importorskip("std_msgs.msg").Header
PointField = msgs.PointField

pytestmark = pytest.mark.ros

CODES = {
    PointField.INT8: "b",
    PointField.UINT8: "B",
    PointField.INT16: "h",
    PointField.UINT16: "H",
    PointField.INT32: "i",
    PointField.UINT32: "I",
    PointField.FLOAT32: "f",
    PointField.FLOAT64: "d",
}
NATIVE_IS_BIG = sys.byteorder == "big"


def fields_of(*specs: tuple[str, int], offset: int = 0) -> list[Any]:
    """Packed fields of count 1."""
    fields = []
    for name, datatype in specs:
        fields.append(PointField(name=name, offset=offset, datatype=datatype, count=1))
        offset += struct.calcsize(CODES[datatype])
    return fields


XYZI = fields_of(*((name, PointField.FLOAT32) for name in ("x", "y", "z", "intensity")))


def value_of(datatype: int, number: int) -> float:
    """A value that the type holds exactly."""
    code = CODES[datatype]
    if code in "fd":
        return number / 4
    bits = 8 * struct.calcsize(code)
    return number % 2**bits - (2 ** (bits - 1) if code.islower() else 0)


@st.composite
def clouds(draw: st.DrawFn, *, row_padding: bool = False) -> tuple[Any, list[list[float]]]:
    """A message of any layout, and the values of each point in the order of the fields."""
    width, height = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    order = draw(st.sampled_from("<>"))
    fields, offset = [], 0
    for i, datatype in enumerate(
        draw(st.lists(st.sampled_from(list(CODES)), min_size=1, max_size=4))
    ):
        offset += draw(st.integers(0, 5))
        count = draw(st.integers(1, 3))
        name = draw(st.sampled_from([f"f{i}", ""]))
        fields.append(PointField(name=name, offset=offset, datatype=datatype, count=count))
        offset += count * struct.calcsize(CODES[datatype])
    point_step = offset + draw(st.integers(0, 7))
    row_step = width * point_step + (draw(st.integers(1, 9)) if row_padding else 0)
    data = bytearray(draw(st.binary(min_size=height * row_step, max_size=height * row_step)))
    numbers = iter(draw(st.lists(st.integers(0, 2**40), min_size=180, max_size=180)))
    rows = []
    for index in range(width * height):
        start = index // width * row_step + index % width * point_step
        rows.append([])
        for field in fields:
            values = [value_of(field.datatype, next(numbers) % 2**20) for _ in range(field.count)]
            struct.pack_into(
                f"{order}{field.count}{CODES[field.datatype]}", data, start + field.offset, *values
            )
            rows[-1] += values
    cloud = msgs.PointCloud2(
        width=width,
        height=height,
        fields=fields,
        is_bigendian=order == ">",
        point_step=point_step,
        row_step=row_step,
    )
    cloud.data = array.array("B", bytes(data))
    return cloud, rows


def names_of(cloud: Any) -> list[str]:
    names: list[str] = []
    for i, field in enumerate(cloud.fields):
        name = field.name or f"unnamed_field_{i}"
        names += [name] if field.count == 1 else [f"{name}_{a}" for a in range(field.count)]
    return names


@settings(deadline=None, max_examples=60)
@given(clouds())
def test_every_layout_is_read(case: tuple[Any, list[list[float]]]) -> None:
    cloud, rows = case
    points = point_cloud2.read_points(cloud)
    assert list(points.dtype.names) == names_of(cloud)
    assert points.tolist() == [tuple(row) for row in rows]
    assert all(points.dtype[name].isnative for name in points.dtype.names)


@pytest.mark.better_than_published("sensor_msgs_py", "ignores the padding of rows")
@settings(deadline=None, max_examples=30)
@given(clouds(row_padding=True))
def test_padded_rows_are_read(case: tuple[Any, list[list[float]]]) -> None:
    cloud, rows = case
    assert point_cloud2.read_points(cloud).tolist() == [tuple(row) for row in rows]


@pytest.mark.better_than_published("sensor_msgs_py", "swaps the bytes inside the message")
@settings(deadline=None, max_examples=30)
@given(clouds())
def test_reading_leaves_the_message_alone(case: tuple[Any, list[list[float]]]) -> None:
    cloud, _ = case
    before = bytes(cloud.data)
    point_cloud2.read_points(cloud)
    assert bytes(cloud.data) == before


@settings(deadline=None, max_examples=30)
@given(clouds(), st.randoms(use_true_random=False))
def test_fields_come_in_the_order_asked_for(case: tuple[Any, list[list[float]]], rng: Any) -> None:
    cloud, rows = case
    names = names_of(cloud)
    wanted = rng.sample(names, k=rng.randint(1, len(names)))
    points = point_cloud2.read_points(cloud, field_names=wanted)
    assert list(points.dtype.names) == wanted
    assert points.tolist() == [tuple(row[names.index(name)] for name in wanted) for row in rows]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.floats(width=32)] * 4), max_size=12).filter(len), st.booleans())
def test_nan_points_are_left_out_unless_dense(rows: list[Any], is_dense: bool) -> None:
    cloud = point_cloud2.create_cloud(Header(), XYZI, rows)
    assert not cloud.is_dense
    cloud.is_dense = is_dense
    read = point_cloud2.read_points_numpy(cloud, field_names=["x", "z"], skip_nans=True)
    kept = [row for row in rows if is_dense or not np.isnan([row[0], row[2]]).any()]
    expected = np.array(kept, dtype=np.float32).reshape(-1, 4)[:, [0, 2]]
    np.testing.assert_array_equal(read, expected)


def test_uvs_count_after_nan_points_are_left_out() -> None:
    rows = [(float(i), 0.0, np.nan if i == 1 else 0.0) for i in range(5)]
    cloud = point_cloud2.create_cloud_xyz32(Header(), rows)
    for uvs in ([0, 1, 3], np.array([0, 1, 3]), iter([0, 1, 3])):
        points = point_cloud2.read_points(cloud, skip_nans=True, uvs=uvs)
        assert points["x"].tolist() == [0.0, 2.0, 4.0]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(list(CODES)),
    st.integers(1, 4),
    st.integers(0, 6),
    st.integers(1, 7),
    st.integers(0, 2**32 - 1),
)
def test_plain_arrays_there_and_back(
    datatype: int, num_fields: int, padding: int, num_points: int, seed: int
) -> None:
    fields = fields_of(*((f"f{i}", datatype) for i in range(num_fields)))
    dtype = np.dtype(CODES[datatype])
    values = np.random.default_rng(seed).integers(0, 100, (num_points, num_fields)).astype(dtype)
    step = num_fields * dtype.itemsize + padding
    cloud = point_cloud2.create_cloud(Header(frame_id="lidar"), fields, values, point_step=step)
    assert (cloud.width, cloud.height, cloud.point_step) == (num_points, 1, step)
    assert (cloud.row_step, cloud.is_bigendian) == (num_points * step, NATIVE_IS_BIG)
    assert (cloud.header.frame_id, len(cloud.data)) == ("lidar", num_points * step)
    read = point_cloud2.read_points_numpy(cloud)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, values)


def test_structured_arrays_and_rows_give_the_same_message() -> None:
    fields = fields_of(("x", PointField.FLOAT64), ("ring", PointField.UINT16), offset=3)
    rows = [(0.5, 7), (-2.25, 65535)]
    structured = np.array(rows, dtype=point_cloud2.dtype_from_fields(fields, 16))
    from_rows = point_cloud2.create_cloud(Header(), fields, rows, point_step=16)
    from_array = point_cloud2.create_cloud(Header(), fields, structured, point_step=16)
    assert point_cloud2.read_points_list(from_array) == rows
    assert point_cloud2.read_points_list(from_rows) == rows
    named = point_cloud2.read_points_list(from_rows, field_names=["ring"])
    assert [point.ring for point in named] == [7, 65535]


def test_organised_clouds_are_width_by_height() -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    cloud = point_cloud2.create_cloud_xyz32(Header(), values)
    assert (cloud.width, cloud.height) == (4, 2)
    organised = point_cloud2.read_points_numpy(cloud, reshape_organized_cloud=True)
    np.testing.assert_array_equal(organised, values)
    assert point_cloud2.read_points_numpy(cloud).shape == (8, 3)


def test_point_step_without_a_number_ends_with_the_last_field() -> None:
    fields = fields_of(("a", PointField.INT8), ("b", PointField.FLOAT32), offset=2)
    assert point_cloud2.dtype_from_fields(fields).itemsize == 7
    assert point_cloud2.dtype_from_fields(fields, 32).itemsize == 32


@pytest.mark.parametrize("points", [[], np.empty((0, 3)), np.empty((0, 3), np.float32)], ids=repr)
def test_no_points_there_and_back(points: Any) -> None:
    cloud = point_cloud2.create_cloud_xyz32(Header(), points)
    assert (cloud.width, cloud.height, len(cloud.data)) == (0, 1, 0)
    assert point_cloud2.read_points_numpy(cloud, field_names=["x", "y", "z"]).shape == (0, 3)


def test_a_message_without_points_is_read() -> None:
    cloud = msgs.PointCloud2(fields=XYZI, point_step=16, width=0, height=1)
    assert point_cloud2.read_points(cloud, skip_nans=True).shape == (0,)
    assert point_cloud2.read_points_numpy(cloud).shape == (0, 4)


@pytest.mark.better_than_published("sensor_msgs_py", "compares with the first field of all")
def test_only_the_fields_asked_for_need_one_type() -> None:
    fields = fields_of(
        ("ring", PointField.UINT16), ("x", PointField.FLOAT32), ("y", PointField.FLOAT32)
    )
    cloud = point_cloud2.create_cloud(Header(), fields, [(1, 2.0, 3.0)])
    assert point_cloud2.read_points_numpy(cloud, field_names=["y", "x"]).tolist() == [[3.0, 2.0]]


@pytest.mark.better_than_published("sensor_msgs_py", "takes only memory without gaps")
def test_strided_input_is_taken() -> None:
    values = np.arange(12.0).reshape(2, 6)[:, ::2]
    cloud = point_cloud2.create_cloud_xyz32(Header(), values)
    np.testing.assert_array_equal(point_cloud2.read_points_numpy(cloud), values)
    structured = point_cloud2.read_points(cloud)[::-1]
    back = point_cloud2.create_cloud(Header(), cloud.fields, structured)
    np.testing.assert_array_equal(point_cloud2.read_points_numpy(back), values[::-1])


def test_reading_copies_nothing_and_writing_reaches_the_message() -> None:
    cloud = point_cloud2.create_cloud(Header(), XYZI, np.zeros((3, 4), np.float32))
    points = point_cloud2.read_points(cloud, field_names=["x", "y", "z"])
    points["y"] = 7.0
    assert point_cloud2.read_points_numpy(cloud)[:, 1].tolist() == [7.0] * 3


def _one(field: Any) -> Any:
    return msgs.PointCloud2(fields=[field], width=1, height=1, point_step=8)


@pytest.mark.parametrize(
    ("error", "call"),
    [
        pytest.param(AssertionError, lambda: point_cloud2.read_points(Header()), id="no cloud"),
        pytest.param(
            AssertionError,
            lambda: point_cloud2.read_points(
                msgs.PointCloud2(fields=XYZI, point_step=16), field_names=["rgb"]
            ),
            id="no such field",
        ),
        pytest.param(
            AssertionError,
            lambda: point_cloud2.dtype_from_fields([PointField(name="x", datatype=7, count=0)]),
            id="count zero",
        ),
        pytest.param(
            AssertionError, lambda: point_cloud2.dtype_from_fields([XYZI[0], XYZI[0]]), id="twice"
        ),
        pytest.param(
            KeyError,
            lambda: point_cloud2.dtype_from_fields([PointField(name="x", datatype=9, count=1)]),
            id="unknown datatype",
        ),
        pytest.param(
            TypeError,
            lambda: point_cloud2.read_points(
                msgs.PointCloud2(fields=XYZI, point_step=16, width=2, height=1, data=[0] * 31)
            ),
            id="data cut off",
        ),
        pytest.param(
            ValueError,
            lambda: point_cloud2.read_points(
                msgs.PointCloud2(fields=XYZI, point_step=12, width=1, height=1, data=[0] * 16)
            ),
            id="fields beyond the point",
        ),
        pytest.param(
            AssertionError,
            lambda: point_cloud2.read_points_numpy(
                point_cloud2.create_cloud(
                    Header(),
                    fields_of(("x", PointField.FLOAT32), ("i", PointField.INT32)),
                    [(1, 2)],
                )
            ),
            id="two types in one array",
        ),
        pytest.param(
            AssertionError,
            lambda: point_cloud2.create_cloud(Header(), XYZI, np.zeros((1, 1, 1, 4), np.float32)),
            id="three dimensions",
        ),
        pytest.param(
            AssertionError,
            lambda: point_cloud2.create_cloud(Header(), XYZI, np.zeros(2, dtype=[("x", "f4")])),
            id="another structure",
        ),
    ],
)
def test_bad_input_is_an_error(error: type[Exception], call: Any) -> None:
    with pytest.raises(error):
        call()
