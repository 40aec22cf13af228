"""Calibration files are written without loss, and bad ones are told with file and key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception_stack.errors import CalibrationError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_files import (
    Extrinsic,
    read_camera_info,
    read_extrinsics,
    write_camera_info,
    write_extrinsics,
)

# as camera_calibration of ROS writes it
_CAMERA_INFO = """\
image_width: 640
image_height: 480
camera_name: left
camera_matrix:
  rows: 3
  cols: 3
  data: [535.9, 0., 342.3, 0., 535.9, 235.6, 0., 0., 1.]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.2664, -0.0386, 0.0018, -3e-4, 0.2384]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]
projection_matrix:
  rows: 3
  cols: 4
  data: [500., 0., 340., 0., 0., 500., 230., 0., 0., 0., 1., 0.]
"""
_EXTRINSICS = """\
transforms:
- parent: base_link
  child: camera_optical
  translation_m: [0.27, 0.06, -0.08]
  quat_xyzw: [0.5, -0.5, 0.5, -0.5]
"""


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    return path


def test_camera_info_of_ros(tmp_path: Path) -> None:
    camera = read_camera_info(_file(tmp_path, _CAMERA_INFO))
    assert (camera.frame_id, camera.width_px, camera.height_px) == ("left_optical", 640, 480)
    assert (camera.k[0, 0], camera.k[1, 2]) == (535.9, 235.6)
    assert camera.distortion.tolist() == [-0.2664, -0.0386, 0.0018, -3e-4, 0.2384]
    assert camera.projection[0, 2] == 340


def test_frame_can_be_named(tmp_path: Path) -> None:
    path = _file(tmp_path, "frame_id: lens\n" + _CAMERA_INFO.replace("camera_name: left\n", ""))
    assert read_camera_info(path).frame_id == "lens"


@pytest.mark.parametrize("model", ["", "plumb_bob", "rational_polynomial", "equidistant"])
def test_camera_info_there_and_back(tmp_path: Path, model: str) -> None:
    num = {"": 0, "plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}[model]
    camera = CameraModel(
        frame_id="lens",
        width_px=640,
        height_px=480,
        k=np.array([[1 / 3 * 1e3, 0.1, 320], [0, 501, 240], [0, 0, 1]]),
        distortion_model=model,
        distortion=np.random.default_rng(0).normal(size=num) * 1e-7,
        rectification=np.eye(3),
        projection=np.random.default_rng(1).normal(size=(3, 4)),
    )
    write_camera_info(tmp_path / "camera.yaml", camera, camera_name="left")
    back = read_camera_info(tmp_path / "camera.yaml")
    for name in CameraModel.__slots__:
        np.testing.assert_array_equal(getattr(back, name), getattr(camera, name))
    content = yaml.safe_load((tmp_path / "camera.yaml").read_text())
    assert set(yaml.safe_load(_CAMERA_INFO)) | {"frame_id"} == set(content)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("camera_name: left\n", ""), "file.yaml' has no 'camera_name'"),
        (("image_width: 640\n", ""), "has no 'image_width'"),
        (("535.9, 0., 342.3", "0., 0., 342.3"), "file.yaml'.*uncalibrated"),
        (("plumb_bob", "fisheye"), "file.yaml'.*'fisheye' is not one of"),
        (("cols: 5", "cols: 4"), "file.yaml': distortion_coefficients"),
        (("  data: [-0.2664", "  numbers: [-0.2664"), "coefficients needs rows, cols and data"),
        (("640", "wide"), "file.yaml': invalid literal"),
        (("rows: 3\n  cols: 4", "rows: 4\n  cols: 3"), r"must be \[3, 4\], got \[4, 3\]"),
    ],
    ids=["name", "width", "zero", "model", "shape", "keys", "word", "transposed"],
)
def test_camera_info_that_cannot_be_used(
    tmp_path: Path, change: tuple[str, str], text: str
) -> None:
    path = _file(tmp_path, _CAMERA_INFO.replace(*change))
    with pytest.raises(CalibrationError, match=text):
        read_camera_info(path)


@pytest.mark.parametrize("read", [read_camera_info, read_extrinsics])
@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("- 1", "is not a mapping"),
        ("", "is not a mapping"),
    ],
    ids=["list", "empty"],
)
def test_files_that_are_none(tmp_path: Path, read: object, content: str, text: str) -> None:
    with pytest.raises(CalibrationError, match=text):
        read(_file(tmp_path, content))


def test_extrinsics_take_the_child_to_the_parent(tmp_path: Path) -> None:
    (one,) = read_extrinsics(_file(tmp_path, _EXTRINSICS))
    transform = one.parent_from_child
    assert (transform.target, transform.source) == ("base_link", "camera_optical")
    # a point ahead of the camera is ahead of the vehicle
    np.testing.assert_allclose(
        transform.apply(np.array([[0.0, 0.0, 5.0]])), [[5.27, 0.06, -0.08]], atol=1e-12
    )
    assert (one.covariance, one.method, one.provenance) == (None, "", "")


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**6), num=st.integers(0, 4))
def test_extrinsics_there_and_back(tmp_path: Path, seed: int, num: int) -> None:
    rng = np.random.default_rng(seed)
    plain = [
        Extrinsic(
            parent_from_child=RigidTransform.from_quat(
                target="base_link",
                source=f"sensor{i}",
                quat_xyzw=(quat := rng.normal(size=4)) / np.linalg.norm(quat),
                translation_m=rng.normal(size=3),
            ),
            covariance=rng.normal(size=(6, 6)) * 1e-9,
            method="board: 20 views",
            provenance="# drive 5, 'left' rig",
        )
        for i in range(num)
    ]
    extrinsics = [
        replace(one, covariance=None, method="") if i % 2 else one for i, one in enumerate(plain)
    ]
    write_extrinsics(tmp_path / "extrinsics.yaml", extrinsics)
    back = read_extrinsics(tmp_path / "extrinsics.yaml")
    assert len(back) == num
    for one, other in zip(back, extrinsics, strict=True):
        assert one.parent_from_child.source == other.parent_from_child.source
        np.testing.assert_allclose(
            one.parent_from_child.matrix, other.parent_from_child.matrix, atol=1e-15
        )
        np.testing.assert_equal(one.covariance, other.covariance)
        assert (one.method, one.provenance) == (other.method, other.provenance)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("transforms:", "extrinsics:"), "expected a list 'transforms'"),
        (("  child: camera_optical\n", ""), r"transforms\[0\] has no 'child'"),
        (("translation_m", "translation"), "unknown key 'translation'; known: parent"),
        (("[0.5, -0.5, 0.5, -0.5]", "[0.5, -0.5, 0.5, 0.9]"), r"transforms\[0\]: .*length 1.249"),
        (("0.27", ".nan"), r"transforms\[0\]: .*not finite"),
        (("0.27, ", ""), r"transforms\[0\]: .*\[3\], got \[2\]"),
        (("0.27", "far"), r"transforms\[0\]: could not convert"),
        (("  quat_xyzw", "  covariance: [1]\n  quat_xyzw"), r"\[6, 6\], got \[1\]"),
    ],
    ids=["list", "missing", "unknown", "length", "nan", "short", "word", "covariance"],
)
def test_extrinsics_that_cannot_be_used(
    tmp_path: Path, change: tuple[str, str], text: str
) -> None:
    with pytest.raises(CalibrationError, match=text):
        read_extrinsics(_file(tmp_path, _EXTRINSICS.replace(*change)))
