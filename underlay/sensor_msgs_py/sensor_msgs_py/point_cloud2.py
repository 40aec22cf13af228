"""PointCloud2 messages from and to numpy, with the API of ROS 2's ``sensor_msgs_py.point_cloud2``.

Reading gives a view of the message's bytes wherever the layout allows it. As in the published
package, bad arguments raise AssertionError, and an organised cloud is an array of
[width, height] points.
"""

from __future__ import annotations

import array
import sys
from collections import namedtuple
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

DUMMY_FIELD_PREFIX = "unnamed_field"
_DTYPES = {
    PointField.INT8: np.dtype(np.int8),
    PointField.UINT8: np.dtype(np.uint8),
    PointField.INT16: np.dtype(np.int16),
    PointField.UINT16: np.dtype(np.uint16),
    PointField.INT32: np.dtype(np.int32),
    PointField.UINT32: np.dtype(np.uint32),
    PointField.FLOAT32: np.dtype(np.float32),
    PointField.FLOAT64: np.dtype(np.float64),
}
_NATIVE_IS_BIG = sys.byteorder != "little"


def read_points(
    cloud: PointCloud2,
    field_names: Iterable[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[int] | None = None,
    reshape_organized_cloud: bool = False,
) -> np.ndarray:
    """The points as a structured array in the byte order of this machine.

    A view of ``cloud.data`` (writing to it changes the message) unless rows are padded, the byte
    order differs, or points are left out.

    Args:
        cloud: Message of any field layout, byte order, point and row padding.
        field_names: Fields to keep, in this order; all when None.
        skip_nans: Leave out points with a NaN in a kept field, unless the cloud says it is dense.
        uvs: Indices of the points wanted, counted after NaN points were left out.
        reshape_organized_cloud: Return [width, height] instead of [N] where the height exceeds 1.

    Raises:
        AssertionError: not a PointCloud2, or a field that it does not have.
        TypeError: fewer bytes than width, height and steps promise.
    """
    _require(isinstance(cloud, PointCloud2), f"{type(cloud).__name__} is not a PointCloud2")
    points = _all_points(cloud)
    if field_names is not None:
        names = list(field_names)
        missing = sorted(set(names) - set(points.dtype.names or ()))
        _require(not missing, f"fields {missing} are not in {points.dtype.names}")
        points = points[names]
    if bool(cloud.is_bigendian) != _NATIVE_IS_BIG:
        points = points.astype(points.dtype.newbyteorder("="))
    if skip_nans and not cloud.is_dense:
        is_number = np.ones(len(points), dtype=bool)
        for name in points.dtype.names or ():
            if points.dtype[name].kind == "f":
                is_number &= ~np.isnan(points[name])
        points = points[is_number]
    if uvs is not None:
        points = points[uvs if isinstance(uvs, np.ndarray) else np.fromiter(uvs, int)]
    if reshape_organized_cloud and cloud.height > 1:
        points = points.reshape(cloud.width, cloud.height)
    return points


def read_points_numpy(
    cloud: PointCloud2,
    field_names: Iterable[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[int] | None = None,
    reshape_organized_cloud: bool = False,
) -> np.ndarray:
    """The points as a plain array [N, fields], for fields that share one type.

    Arguments as those of :func:`read_points`.

    Raises:
        AssertionError: the fields differ in type, or as in :func:`read_points`.
        TypeError: fewer bytes than width, height and steps promise.
    """
    points = read_points(cloud, field_names, skip_nans, uvs, reshape_organized_cloud)
    names = points.dtype.names or ()
    types = {points.dtype[name] for name in names}
    _require(len(types) == 1, f"fields of one type are needed, got {sorted(map(str, types))}")
    offsets = [points.dtype.fields[name][1] for name in names]
    steps = set(np.diff(offsets))
    if len(steps) > 1:
        return np.stack([points[name] for name in names], axis=-1)
    first = points[names[0]]
    step = int(steps.pop()) if steps else first.itemsize
    return np.lib.stride_tricks.as_strided(
        first, shape=(*first.shape, len(names)), strides=(*first.strides, step)
    )


def read_points_list(
    cloud: PointCloud2,
    field_names: Iterable[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[int] | None = None,
) -> list[Any]:
    """The points as a list of named tuples ``Point``; slow, for a handful of points.

    Arguments and errors as those of :func:`read_points`.
    """
    points = read_points(cloud, field_names, skip_nans, uvs)
    point_type = namedtuple("Point", points.dtype.names or ())
    return [point_type._make(row) for row in points.tolist()]


def dtype_from_fields(fields: Iterable[PointField], point_step: int | None = None) -> np.dtype:
    """The structured type of one point.

    A field of count n > 1 becomes ``name_0`` … ``name_(n-1)``; a field without a name becomes
    ``unnamed_field_(its index)``.

    Args:
        fields: Layout of the message.
        point_step: Bytes from point to point; None packs as the fields end.

    Raises:
        AssertionError: a count of zero, or a name that occurs twice.
        KeyError: a datatype that PointField does not define.
    """
    names: list[str] = []
    formats: list[np.dtype] = []
    offsets: list[int] = []
    for index, field in enumerate(fields):
        _require(field.count > 0, f"field '{field.name}' has a count of zero")
        dtype = _DTYPES[field.datatype]
        name = field.name or f"{DUMMY_FIELD_PREFIX}_{index}"
        names += [name] if field.count == 1 else [f"{name}_{i}" for i in range(field.count)]
        formats += [dtype] * field.count
        offsets += [field.offset + i * dtype.itemsize for i in range(field.count)]
    _require(len(set(names)) == len(names), f"field names occur twice: {names}")
    layout: dict[str, Any] = {"names": names, "formats": formats, "offsets": offsets}
    if point_step is not None:
        layout["itemsize"] = point_step
    return np.dtype(layout)


def create_cloud(
    header: Header,
    fields: Sequence[PointField],
    points: Iterable[Any],
    point_step: int | None = None,
) -> PointCloud2:
    """A message of points in the byte order of this machine, with ``is_dense`` false.

    Args:
        header: Header of the message.
        fields: Layout; a field of count n takes n values of each point.
        points: A structured array of exactly the layout's type, a plain array [N, values] or
            [width, height, values] where all fields share one type, or an iterable of rows.
        point_step: Bytes from point to point; None packs as the fields end.

    Raises:
        AssertionError: the points do not fit the fields, or have more than two dimensions.
    """
    fields = list(fields)
    dtype = dtype_from_fields(fields, point_step)
    if not isinstance(points, np.ndarray):
        structured = np.array([tuple(row) for row in points], dtype=dtype)
    elif points.dtype.names is None:
        structured = _structured(points, dtype)
    else:
        _require(points.dtype == dtype, f"points are of {points.dtype}, the fields of {dtype}")
        structured = np.ascontiguousarray(points)
    _require(structured.ndim in {1, 2}, f"{structured.ndim} dimensions of points, at most two fit")
    width = structured.shape[0]
    cloud = PointCloud2(
        header=header,
        height=structured.shape[1] if structured.ndim == 2 else 1,
        width=width,
        is_dense=False,
        is_bigendian=_NATIVE_IS_BIG,
        fields=fields,
        point_step=dtype.itemsize,
        row_step=dtype.itemsize * width,
    )
    data = array.array("B")
    if structured.size:
        data.frombytes(memoryview(structured).cast("B"))
    # anything but an array.array is checked byte by byte by the setter
    cloud.data = data
    return cloud


def create_cloud_xyz32(header: Header, points: Iterable[Any]) -> PointCloud2:
    """A message of x, y, z float32 points; arguments as those of :func:`create_cloud`."""
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate("xyz")
    ]
    return create_cloud(header, fields, points)


def _all_points(cloud: PointCloud2) -> np.ndarray:
    """Every point in the byte order of the message, [N]."""
    dtype = dtype_from_fields(cloud.fields, cloud.point_step)
    # some drivers leave row_step zero; one row needs none
    row_step = max(cloud.row_step, cloud.width * dtype.itemsize)
    if cloud.height <= 1:
        row_step = cloud.width * dtype.itemsize
    num_bytes = max(cloud.height - 1, 0) * row_step + cloud.width * dtype.itemsize
    if len(cloud.data) < num_bytes and cloud.height > 0:
        msg = (
            f"a cloud of {cloud.width} x {cloud.height} points needs {num_bytes} bytes, "
            f"has {len(cloud.data)}"
        )
        raise TypeError(msg)
    if bool(cloud.is_bigendian) != _NATIVE_IS_BIG:
        dtype = dtype.newbyteorder()
    if cloud.width * cloud.height == 0:
        return np.empty(0, dtype=dtype)
    rows = np.ndarray(
        shape=(cloud.height, cloud.width),
        dtype=dtype,
        buffer=cloud.data,
        strides=(row_step, dtype.itemsize),
    )
    return rows.reshape(-1)


def _structured(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Plain values [..., fields] as points [...]; padding bytes are zero."""
    names = dtype.names or ()
    types = {dtype[name] for name in names}
    _require(len(types) == 1, "plain arrays need fields of one type, pass a structured array")
    fits = values.ndim > 0 and values.shape[-1] == len(names)
    _require(fits, f"{len(names)} values per point are needed, got an array {values.shape}")
    kind = types.pop()
    is_packed = dtype == np.dtype({"names": names, "formats": [kind] * len(names)})
    if is_packed:
        return np.ascontiguousarray(values, dtype=kind).view(dtype)[..., 0]
    points = np.zeros(values.shape[:-1], dtype=dtype)
    for i, name in enumerate(names):
        points[name] = values[..., i]
    return points


def _require(is_met: bool, text: str) -> None:
    """AssertionError is what the published package raises; unlike ``assert`` it stays under -O."""
    if not is_met:
        raise AssertionError(text)
