"""``sensor_msgs/PointCloud2``, any layout."""

from __future__ import annotations

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

_DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_FLOAT32 = 7
_AXES = ("x", "y", "z")


def cloud_from_msg(message: Any) -> PointCloud:
    """Points in the order of the message, row after row, NaN and infinities kept.

    Coordinates and intensity of any type, offset and byte order become float32 in one copy, which
    also frees them from the padding between points.

    Args:
        message: ``sensor_msgs/PointCloud2``.

    Raises:
        DecodeError: no x, y or z, a field outside of the point, or fewer data than promised.
    """
    width, height, step = int(message.width), int(message.height), int(message.point_step)
    num = width * height
    header = message.header
    if num == 0:
        xyz_m, intensity = np.empty((0, 3), dtype=np.float32), None
    else:
        fields = {field.name: field for field in message.fields}
        missing = [axis for axis in _AXES if axis not in fields]
        if missing:
            there = ", ".join(fields) or "none"
            raise DecodeError(f"cloud has no field {', '.join(missing)}; its fields: {there}")
        # one row has no row padding, and some drivers leave row_step at 0 for it
        row_step = int(message.row_step) if height > 1 else width * step
        if row_step < width * step:
            raise DecodeError(f"cloud rows of {row_step} bytes cannot hold {width} x {step} bytes")
        data = buffer_of(message, num_bytes=row_step * height)
        layout = (height, width), (row_step, step)
        xyz_m = np.empty((num, 3), dtype=np.float32)
        for column, axis in enumerate(_AXES):
            xyz_m[:, column] = _column(message, fields[axis], data, layout)
        intensity = None
        if "intensity" in fields:
            intensity = _column(message, fields["intensity"], data, layout)
            intensity = np.ascontiguousarray(intensity, dtype=np.float32)
    return PointCloud(
        frame_id=header.frame_id, stamp_ns=stamp_ns(header), xyz_m=xyz_m, intensity=intensity
    )


def cloud_to_msg(cloud: PointCloud, *, build: Build = build_message) -> Any:
    """A ``sensor_msgs/PointCloud2`` with float32 x, y, z and, where it is known, intensity."""
    columns = [cloud.xyz_m] if cloud.intensity is None else [cloud.xyz_m, cloud.intensity[:, None]]
    table = np.concatenate(columns, axis=1, dtype=np.float32)
    names = (*_AXES, "intensity")[: table.shape[1]]
    num, step = len(cloud), 4 * len(names)
    return build(
        "sensor_msgs/msg/PointCloud2",
        header=header_to_msg(cloud.stamp_ns, cloud.frame_id, build=build),
        height=1,
        width=num,
        fields=[
            build(
                "sensor_msgs/msg/PointField", name=name, offset=4 * i, datatype=_FLOAT32, count=1
            )
            for i, name in enumerate(names)
        ],
        is_bigendian=False,
        point_step=step,
        row_step=num * step,
        data=bytes_of(table),
        is_dense=bool(np.isfinite(cloud.xyz_m).all()),
    )


def _column(
    message: Any,
    field: Any,
    data: NDArray[np.uint8],
    layout: tuple[tuple[int, int], tuple[int, int]],
) -> NDArray[Any]:
    """Values of one field, the first of several; a view of the data unless rows are padded."""
    code = _DATATYPES.get(int(field.datatype))
    if code is None:
        raise DecodeError(f"cloud field {field.name} has unknown datatype {field.datatype}")
    dtype = np.dtype((">" if message.is_bigendian else "<") + code)
    offset = int(field.offset)
    if offset + dtype.itemsize > message.point_step:
        end = offset + dtype.itemsize
        raise DecodeError(f"cloud field {field.name} ends at {end} of {message.point_step} bytes")
    shape, strides = layout
    return np.ndarray(shape, dtype, data, offset, strides).reshape(-1)
