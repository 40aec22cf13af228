"""``sensor_msgs/PointCloud2``, any layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import PointCloud
from perception_stack.errors import DecodeError
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.headers import (
    Build,
    buffer_of,
    bytes_of,
    header_to_msg,
    stamp_ns,
)
from perception_stack.io.messages.point_times import is_time, offsets_s

_DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_CODES = {np.dtype(code): number for number, code in _DATATYPES.items()}
_AXES = ("x", "y", "z")
_RINGS = ("ring", "channel", "line")  # "channel": Nebula; "line": Livox


def cloud_from_msg(message: Any) -> PointCloud:
    """Points in the order of the message, row after row, NaN and infinities kept.

    Coordinates and intensity of any type, offset and byte order become float32 in one copy, which
    also frees them from the padding between points. The beam and the time of each point are read
    where the driver sends them, the time as :mod:`perception_stack.io.messages.point_times` says.

    Args:
        message: ``sensor_msgs/PointCloud2``.

    Raises:
        DecodeError: no x, y or z, a field outside of the point, or fewer data than promised.
    """
    num = int(message.width) * int(message.height)
    header = message.header
    at_ns = stamp_ns(header)
    if num == 0:
        nothing = np.empty((0, 3), dtype=np.float32)
        return PointCloud(frame_id=header.frame_id, stamp_ns=at_ns, xyz_m=nothing)
    fields = {field.name: field for field in message.fields}
    missing = [axis for axis in _AXES if axis not in fields]
    if missing:
        there = ", ".join(fields) or "none"
        raise DecodeError(f"cloud has no field {', '.join(missing)}; its fields: {there}")
    data, layout = _laid_out(message)
    xyz_m = np.empty((num, 3), dtype=np.float32)
    for column, axis in enumerate(_AXES):
        xyz_m[:, column] = _column(message, fields[axis], data, layout)
    intensity = ring = time_offset_s = None
    if "intensity" in fields:
        intensity = _column(message, fields["intensity"], data, layout)
        intensity = np.ascontiguousarray(intensity, dtype=np.float32)
    ring_name = next((name for name in _RINGS if name in fields), None)
    if ring_name is not None:
        ring = _column(message, fields[ring_name], data, layout)
        # a beam number with a fraction would be something else
        ring = np.ascontiguousarray(ring, dtype=np.uint16) if ring.dtype.kind in "ui" else None
    time_name = next(filter(is_time, fields), None)
    if time_name is not None:
        times = _column(message, fields[time_name], data, layout)
        time_offset_s = offsets_s(times, name=time_name, stamp_ns=at_ns)
    return PointCloud(
        frame_id=header.frame_id,
        stamp_ns=at_ns,
        xyz_m=xyz_m,
        intensity=intensity,
        ring=ring,
        time_offset_s=time_offset_s,
    )


def cloud_to_msg(cloud: PointCloud, *, build: Build = build_message) -> Any:
    """A ``sensor_msgs/PointCloud2`` of what the cloud holds.

    float32 x, y, z; where they are known float32 ``intensity``, uint16 ``ring`` and float32
    ``time``, in seconds after the stamp: the fields of Velodyne's driver, which most tools read.
    """
    columns = dict(zip(_AXES, cloud.xyz_m.T, strict=True))
    for name, column in (
        ("intensity", cloud.intensity),
        ("ring", cloud.ring),
        ("time", cloud.time_offset_s),
    ):
        if column is not None:
            columns[name] = column
    kinds = [(name, column.dtype) for name, column in columns.items()]
    # padded where it must be: NumPy fills aligned fields several times faster
    table = np.zeros(len(cloud), dtype=np.dtype(kinds, align=True))
    for name, column in columns.items():
        table[name] = column
    header = header_to_msg(cloud.stamp_ns, cloud.frame_id, build=build)
    finite = bool(np.isfinite(cloud.xyz_m).all())
    return table_to_msg(table, header, is_dense=finite, build=build)


def table_to_msg(table: NDArray[Any], header: Any, *, is_dense: bool, build: Build) -> Any:
    """A ``sensor_msgs/PointCloud2`` of the columns of a table, structured array [N]."""
    layout: Mapping[str, Any] = table.dtype.fields or {}
    step = table.dtype.itemsize
    return build(
        "sensor_msgs/msg/PointCloud2",
        header=header,
        height=1,
        width=len(table),
        fields=[
            build(
                "sensor_msgs/msg/PointField",
                name=name,
                offset=layout[name][1],
                datatype=_CODES[layout[name][0]],
                count=1,
            )
            for name in table.dtype.names or ()
        ],
        is_bigendian=False,
        point_step=step,
        row_step=len(table) * step,
        data=bytes_of(table),
        is_dense=is_dense,
    )


def field_of(message: Any, name: str) -> NDArray[Any] | None:
    """Values of a further field, in the order of the points; None where there is no such field.

    Raises:
        DecodeError: as :func:`cloud_from_msg`.
    """
    field = next((one for one in message.fields if one.name == name), None)
    return None if field is None else _column(message, field, *_laid_out(message))


def _laid_out(message: Any) -> tuple[NDArray[np.uint8], tuple[tuple[int, int], tuple[int, int]]]:
    """The data of a cloud, and shape and strides of a field in it."""
    width, height, step = int(message.width), int(message.height), int(message.point_step)
    # one row has no row padding, and some drivers leave row_step at 0 for it
    row_step = int(message.row_step) if height > 1 else width * step
    if row_step < width * step:
        raise DecodeError(f"cloud rows of {row_step} bytes cannot hold {width} x {step} bytes")
    data = buffer_of(message, num_bytes=row_step * height)
    return data, ((height, width), (row_step, step))


def _column(
    message: Any,
    field: Any,
    data: NDArray[np.uint8],
    layout: tuple[tuple[int, int], tuple[int, int]],
) -> NDArray[Any]:
    """Values of one field, the first of several; a view of the data where that is not slower."""
    code = _DATATYPES.get(int(field.datatype))
    if code is None:
        raise DecodeError(f"cloud field {field.name} has unknown datatype {field.datatype}")
    dtype = np.dtype((">" if message.is_bigendian else "<") + code)
    offset = int(field.offset)
    if offset + dtype.itemsize > message.point_step:
        end = offset + dtype.itemsize
        raise DecodeError(f"cloud field {field.name} ends at {end} of {message.point_step} bytes")
    shape, strides = layout
    column = np.ndarray(shape, dtype, data, offset, strides).reshape(-1)
    # NumPy gathers what is not aligned much faster in a step of its own
    return column if column.flags.aligned else column.copy()
