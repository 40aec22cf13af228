"""PointCloud2 of every layout becomes the same points."""

from __future__ import annotations

import array
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception_stack.datatypes import PointCloud
from perception_stack.errors import DecodeError
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
    stamp = SimpleNamespace(sec=3, nanosec=14)
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
    at_ns=st.integers(0, 2**31 * 10**9 - 1),
)  # fmt: skip
def test_there_and_back(xyz: np.ndarray, intensity: bool, at_ns: int) -> None:
    cloud = PointCloud(
        frame_id="lidar",
        stamp_ns=at_ns,
        xyz_m=xyz,
        intensity=xyz[:, 0].copy() if intensity else None,
    )
    back = cloud_from_msg(cloud_to_msg(cloud))
    assert (back.frame_id, back.stamp_ns) == ("lidar", at_ns)
    np.testing.assert_array_equal(back.xyz_m, cloud.xyz_m)
    np.testing.assert_equal(back.intensity, cloud.intensity)


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
