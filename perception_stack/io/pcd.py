"""Point Cloud Data files, version 0.7 (https://pointclouds.org/documentation)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import PointCloud
from perception_stack.errors import DataFileError

_KINDS = {"I": "i", "U": "u", "F": "f"}
_AXES = ("x", "y", "z")


def read_pcd(path: Path, *, frame_id: str, stamp_ns: int) -> PointCloud:
    """Points of a file, ASCII, binary or compressed, NaN kept; intensity where there is one.

    Args:
        path: The file.
        frame_id: Frame to give it, which the format does not hold.
        stamp_ns: Stamp to give it.

    Raises:
        DataFileError: no such file, not of this format, or cut off.
    """
    points = read_pcd_fields(path)
    names = points.dtype.names or ()
    if not set(_AXES) <= set(names):
        raise DataFileError(path, f"no fields x, y, z; its fields: {', '.join(names)}")
    return PointCloud(
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        xyz_m=np.stack([points[axis] for axis in _AXES], axis=1).astype(np.float32),
        intensity=points["intensity"].astype(np.float32) if "intensity" in names else None,
    )


def read_pcd_fields(path: Path) -> NDArray[np.void]:
    """All fields of a file, structured array [N] in the file's order, row by row if organised.

    Raises:
        DataFileError: no such file, not of this format, or cut off.
    """
    try:
        return _points(path.read_bytes())
    except OSError as error:
        raise DataFileError(path, error.strerror or str(error)) from error
    except (KeyError, ValueError, IndexError) as error:
        raise DataFileError(path, f"it is no whole PCD file: {error}") from error


def _points(content: bytes) -> NDArray[np.void]:
    """Structured array of all fields, [N]."""
    header: dict[str, list[str]] = {}
    stream = io.BytesIO(content)
    while "DATA" not in header:
        line = stream.readline()
        if not line:
            raise ValueError("no DATA line")
        key, *values = line.split(b"#")[0].decode("ascii", errors="replace").split() or [""]
        header[key] = values
    sizes, kinds = header["SIZE"], header["TYPE"]
    counts = header.get("COUNT", ["1"] * len(sizes))
    # padding fields share the name "_", which a dtype may not repeat
    names = [f"_{i}" if name == "_" else name for i, name in enumerate(header["FIELDS"])]
    fields = [
        (name, f"<{_KINDS[kind]}{size}", (int(count),) if int(count) > 1 else ())
        for name, kind, size, count in zip(names, kinds, sizes, counts, strict=True)
    ]
    dtype, num = np.dtype(fields), int(header["POINTS"][0])
    body, encoding = content[stream.tell() :], header["DATA"][0]
    if encoding == "ascii":
        return np.loadtxt(io.BytesIO(body), dtype=dtype, max_rows=num, ndmin=1)
    if encoding == "binary_compressed":
        packed, size = (int.from_bytes(body[i : i + 4], "little") for i in (0, 4))
        body = _decompress_lzf(body[8 : 8 + packed], size)
        return _from_columns(body, dtype, num)
    if encoding != "binary":
        raise ValueError(f"unknown DATA '{encoding}'")
    return np.frombuffer(body, dtype=dtype, count=num)


def _from_columns(body: bytes, dtype: np.dtype[np.void], num: int) -> NDArray[np.void]:
    """Compressed files hold all values of one field, then all of the next."""
    points = np.empty(num, dtype=dtype)
    at = 0
    for name in dtype.names or ():
        kind = dtype[name]
        points[name] = np.frombuffer(body, dtype=kind, count=num, offset=at)
        at += kind.itemsize * num
    return points


def _decompress_lzf(data: bytes, size: int) -> bytes:
    """Inverse of LibLZF's compression: runs of literals and references back into the output."""
    out = bytearray()
    at = 0
    while at < len(data):
        control = data[at]
        at += 1
        if control < 32:  # that many literals and one more
            out += data[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += data[at]
            at += 1
        length += 2
        start = len(out) - ((control & 0x1F) << 8) - data[at] - 1
        at += 1
        if start < 0:
            raise ValueError("a reference before the start of the data")
        # what is copied may overlap what is being written
        part = bytes(out[start : start + length])
        out += (part * (length // len(part) + 1))[:length]
    if len(out) != size:
        raise ValueError(f"{len(out)} bytes after decompression, expected {size}")
    return bytes(out)
