"""PCD files in the three encodings."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from perception_stack.errors import DataFileError
from perception_stack.io.pcd import read_pcd

_XYZ = np.array([[1.5, -2.25, 3.0], [0.0, np.nan, 1e-3], [7.0, 8.0, 9.0]], dtype="<f4")
_INTENSITY = np.array([0.5, 1.0, 200.0], dtype="<f4")
_HEADER = """\
# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS {fields}
SIZE {sizes}
TYPE {kinds}
COUNT {counts}
WIDTH 3
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS 3
DATA {data}
"""
_XYZI = {"fields": "x y z intensity", "sizes": "4 4 4 4", "kinds": "F F F F", "counts": "1 1 1 1"}


def _read(path: Path, header: str, body: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    path = path / "cloud.pcd"
    path.write_bytes(header.encode() + body)
    cloud = read_pcd(path, frame_id="velodyne", stamp_ns=5)
    assert (cloud.frame_id, cloud.stamp_ns) == ("velodyne", 5)
    return cloud.xyz_m, cloud.intensity


def _compressed(raw: bytes) -> bytes:
    """LZF by hand: the data as literals, then a reference with overlap for the last bytes."""
    assert raw[-12:] == raw[-1:] * 12
    head, packed = raw[:-11], b""
    for i in range(0, len(head), 32):
        part = head[i : i + 32]
        packed += bytes([len(part) - 1]) + part
    packed += bytes([7 << 5, 11 - 9, 0])  # 11 bytes from 1 byte back
    return struct.pack("<II", len(packed), len(raw)) + packed


def test_ascii(tmp_path: Path) -> None:
    body = b"1.5 -2.25 3 0.5\n0 nan 0.001 1\n7 8 9 200\n"
    xyz, intensity = _read(tmp_path, _HEADER.format(**_XYZI, data="ascii"), body)
    np.testing.assert_array_equal(xyz, _XYZ)
    np.testing.assert_array_equal(intensity, _INTENSITY)


def test_binary(tmp_path: Path) -> None:
    body = np.column_stack([_XYZ, _INTENSITY]).tobytes()
    xyz, intensity = _read(tmp_path, _HEADER.format(**_XYZI, data="binary"), body)
    np.testing.assert_array_equal(xyz, _XYZ)
    np.testing.assert_array_equal(intensity, _INTENSITY)


def test_compressed(tmp_path: Path) -> None:
    columns = [*_XYZ.T, np.zeros(3, dtype="<f4")]
    body = _compressed(b"".join(column.tobytes() for column in columns))
    xyz, intensity = _read(tmp_path, _HEADER.format(**_XYZI, data="binary_compressed"), body)
    np.testing.assert_array_equal(xyz, _XYZ)
    np.testing.assert_array_equal(intensity, np.zeros(3))


def test_padding_fields_and_arrays_between(tmp_path: Path) -> None:
    header = _HEADER.format(
        fields="_ x normal y _ z", sizes="1 4 4 8 2 4", kinds="U F F F U F", counts="3 1 2 1 1 1",
        data="binary",
    )  # fmt: skip
    body = b"".join(
        struct.pack("<3Bf2fdHf", 1, 2, 3, x, 9, 9, y, 4, z) for x, y, z in _XYZ.tolist()
    )
    xyz, intensity = _read(tmp_path, header, body)
    np.testing.assert_array_equal(xyz, _XYZ)
    assert intensity is None


@pytest.mark.parametrize(
    ("header", "body", "text"),
    [
        (_HEADER.format(**_XYZI, data="binary"), b"\0" * 47, "no whole PCD"),
        (_HEADER.format(**_XYZI, data="zipped"), b"", "unknown DATA 'zipped'"),
        (_HEADER.format(**{**_XYZI, "fields": "a b z intensity"}, data="binary"), b"\0" * 48,
         "no fields x, y, z; its fields: a, b, z, intensity"),
        (_HEADER.format(**_XYZI, data="binary_compressed"), struct.pack("<II3B", 3, 48, 224, 9, 0),
         "before the start"),
        ("hello\n", b"", "no DATA line"),
        (_HEADER.format(**_XYZI, data="binary").replace("SIZE 4 4 4 4\n", ""), b"", "SIZE"),
    ],
    ids=["cut", "encoding", "fields", "reference", "other file", "no sizes"],
)  # fmt: skip
def test_files_that_cannot_be_read(tmp_path: Path, header: str, body: bytes, text: str) -> None:
    with pytest.raises(DataFileError, match=text):
        _read(tmp_path, header, body)


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="No such file"):
        read_pcd(tmp_path / "absent.pcd", frame_id="a", stamp_ns=0)


def test_real_compressed_cloud(data_dir: Path) -> None:
    cloud = read_pcd(data_dir / "pcl_scenes" / "room_scan1.pcd", frame_id="a", stamp_ns=0)
    assert len(cloud) == 112586
    assert np.isfinite(cloud.xyz_m).all()
    assert (np.abs(cloud.xyz_m) < 100).all()
