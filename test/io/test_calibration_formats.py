"""Calibrations survive the way through each foreign format, and mean there what they mean here."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.errors import CalibrationError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_formats.angles import angles_of, rotation_of
from perception_stack.io.calibration_formats.autoware import dump_autoware, load_autoware
from perception_stack.io.calibration_formats.easy_handeye2 import (
    dump_easy_handeye2,
    load_easy_handeye2,
)
from perception_stack.io.calibration_formats.kalibr import dump_camchain, load_camchain
from perception_stack.io.calibration_formats.static_tf import dump_static_tf, load_static_tf
from perception_stack.io.calibration_formats.urdf import dump_urdf, load_urdf
from perception_stack.io.calibration_formats.visual_lidar import (
    dump_visual_lidar,
    load_visual_lidar,
)

_NUMBERS = st.floats(-1, 1).map(lambda value: round(value, 9))


@st.composite
def _transforms(draw: st.DrawFn, target: str = "base", source: str = "camera") -> RigidTransform:
    quat = np.array(draw(st.tuples(*[_NUMBERS] * 4)))
    size = float(np.linalg.norm(quat))
    quat = quat / size if size > 0.1 else np.array([0.5, -0.5, 0.5, -0.5])
    place = np.array(draw(st.tuples(*[st.floats(-50, 50)] * 3)))
    return RigidTransform.from_quat(
        target=target, source=source, quat_xyzw=quat, translation_m=place
    )


def _same(one: RigidTransform, other: RigidTransform) -> None:
    assert (one.target, one.source) == (other.target, other.source)
    np.testing.assert_allclose(one.rotation, other.rotation, atol=1e-9)
    np.testing.assert_allclose(one.translation_m, other.translation_m, atol=1e-12)


@given(_transforms(), _transforms("base", "lidar"))
def test_lists_there_and_back(camera: RigidTransform, lidar: RigidTransform) -> None:
    for dump, load in (
        (dump_autoware, load_autoware),
        (dump_urdf, load_urdf),
        (dump_static_tf, load_static_tf),
    ):
        found = load(dump([camera, lidar]))
        assert len(found) == 2
        _same(found[0], camera)
        _same(found[1], lidar)


@given(_transforms("lidar", "camera"))
def test_visual_lidar_there_and_back(lidar_from_camera: RigidTransform) -> None:
    text = dump_visual_lidar(lidar_from_camera)
    _same(load_visual_lidar(text, lidar="lidar", camera="camera"), lidar_from_camera)


@given(_transforms(), st.booleans())
def test_easy_handeye2_there_and_back(mount_from_eye: RigidTransform, in_hand: bool) -> None:
    text = dump_easy_handeye2(
        mount_from_eye, name="arm", in_hand=in_hand, other="flange", marker="board"
    )
    _same(load_easy_handeye2(text), mount_from_eye)


@given(_transforms("right", "left"), _transforms("left", "imu"))
def test_camchain_there_and_back(right: RigidTransform, left: RigidTransform) -> None:
    cameras = [_camera("left", "plumb_bob", 4), _camera("right", "equidistant", 4)]
    found, transforms = load_camchain(dump_camchain(cameras, [right], camera_from_imu=left))
    for one, other in zip(found, cameras, strict=True):
        assert one.frame_id == other.frame_id
        assert one.distortion_model == other.distortion_model
        np.testing.assert_array_equal(one.k, other.k)
        np.testing.assert_array_equal(one.distortion, other.distortion)
    _same(transforms[0], right)
    _same(transforms[1], left)


@given(st.tuples(*[st.floats(-3.1, 3.1), st.floats(-1.57, 1.57), st.floats(-3.1, 3.1)]))
def test_angles_there_and_back(angles: tuple[float, float, float]) -> None:
    rotation = rotation_of(*angles)
    np.testing.assert_allclose(rotation_of(*angles_of(rotation)), rotation, atol=1e-12)


@pytest.mark.parametrize("pitch", [np.pi / 2, -np.pi / 2])
def test_straight_up_and_down(pitch: float) -> None:
    rotation = rotation_of(0.3, pitch, 1.1)
    np.testing.assert_allclose(rotation_of(*angles_of(rotation)), rotation, atol=1e-9)


def test_meaning_of_the_lidar_camera_result() -> None:
    """A camera 1 m ahead of the LiDAR, looking ahead: its z axis is the LiDAR's x axis."""
    text = json.dumps({"results": {"T_lidar_camera": [1, 0, 0, -0.5, 0.5, -0.5, 0.5]}})
    lidar_from_camera = load_visual_lidar(text, lidar="lidar", camera="camera")
    point = lidar_from_camera.apply(np.array([0.0, 0.0, 2.0]))
    np.testing.assert_allclose(point, [3, 0, 0], atol=1e-12)


def test_meaning_of_a_kalibr_chain() -> None:
    """The example of Kalibr's page: the second camera sees the first one on its left."""
    text = """\
cam0:
  camera_model: pinhole
  intrinsics: [461.629, 460.152, 362.680, 246.049]
  distortion_model: radtan
  distortion_coeffs: [-0.27695497, 0.06712482, 0.00087538, 0.00011556]
  T_cam_imu:
  - [0.01779318, 0.99967549,-0.01822936, 0.07008565]
  - [-0.9998017, 0.01795239, 0.00860714,-0.01771023]
  - [0.00893160, 0.01807260, 0.99979678, 0.00399246]
  - [0.0, 0.0, 0.0, 1.0]
  timeshift_cam_imu: -8.121e-05
  rostopic: /cam0/image_raw
  resolution: [752, 480]
cam1:
  camera_model: pinhole
  intrinsics: [461.629, 460.152, 362.680, 246.049]
  distortion_model: radtan
  distortion_coeffs: [-0.27695497, 0.06712482, 0.00087538, 0.00011556]
  T_cn_cnm1:
  - [ 0.99998854, 0.00216014, 0.00427195,-0.11003785]
  - [-0.00221074, 0.99992702, 0.01187697, 0.00045792]
  - [-0.00424598,-0.01188627, 0.99992034,-0.00064487]
  - [0.0, 0.0, 0.0, 1.0]
  rostopic: /cam1/image_raw
  resolution: [752, 480]
"""
    _, (right_from_left, left_from_imu) = load_camchain(text)
    assert (right_from_left.target, right_from_left.source) == ("cam1", "cam0")
    assert right_from_left.apply(np.zeros(3))[0] == pytest.approx(-0.11003785)
    assert (left_from_imu.target, left_from_imu.source) == ("cam0", "imu")


def test_meaning_of_a_sensor_kit() -> None:
    text = (
        "kit:\n  lidar:\n    {x: 0, y: 0, z: 0, roll: 0.0, pitch: 0.0, yaw: 1.5707963267948966}\n"
    )
    (kit_from_lidar,) = load_autoware(text)
    np.testing.assert_allclose(kit_from_lidar.apply(np.array([1.0, 0, 0])), [0, 1, 0], atol=1e-12)


def test_urdf_of_a_whole_robot_passes_moving_joints_over() -> None:
    text = """<?xml version="1.0"?>
<robot name="r"><joint name="wheel" type="continuous"><parent link="a"/><child link="b"/></joint>
<joint name="lens" type="fixed"><parent link="a"/><child link="c"/></joint></robot>"""
    (one,) = load_urdf(text)
    assert (one.target, one.source) == ("a", "c")
    np.testing.assert_array_equal(one.matrix, np.eye(4))


@pytest.mark.parametrize(
    ("load", "text", "says"),
    [
        (load_autoware, "kit:\n  lidar: {x: 1, y: 2, z: 3, roll: 0, pitch: 0}", "yaw"),
        (load_autoware, "- 1", "mapping"),
        (load_urdf, "<joint name='j' type='fixed'><parent link='a'/></joint>", "child"),
        (load_urdf, "<joint", "XML"),
        (load_static_tf, "ros2 run tf2_ros static_transform_publisher --x 1 --y 2", "--z"),
        (load_easy_handeye2, "parameters: {calibration_type: odd}\ntransform: {}", "odd"),
        (load_camchain, "cam0: {camera_model: omni}", "omni"),
        (
            lambda text: load_visual_lidar(text, lidar="l", camera="c"),
            '{"results": {"T_lidar_camera": [0, 0, 0, 0, 0, 0, 0.5]}}',
            "length",
        ),
        (lambda text: load_visual_lidar(text, lidar="l", camera="c"), "{}", "results"),
    ],
)
def test_bad_files_are_told(load: object, text: str, says: str) -> None:
    with pytest.raises(CalibrationError, match=says):
        load(text)  # type: ignore[operator]


def test_lenses_that_kalibr_does_not_have() -> None:
    with pytest.raises(CalibrationError, match="rational_polynomial"):
        dump_camchain([_camera("c", "rational_polynomial", 8)], [])


def test_easy_handeye2_writes_what_its_publisher_reads() -> None:
    transform = RigidTransform(
        target="flange", source="lens", rotation=np.eye(3), translation_m=np.array([1.0, 2, 3])
    )
    text = dump_easy_handeye2(
        transform, name="arm", in_hand=True, other="base_link", marker="board"
    )
    content = yaml.safe_load(text)
    assert content["parameters"]["robot_base_frame"] == "base_link"
    assert content["transform"]["translation"] == {"x": 1.0, "y": 2.0, "z": 3.0}


def _camera(frame: str, model: str, num: int) -> CameraModel:
    k = np.array([[400.0, 0, 320], [0, 410, 240], [0, 0, 1]])
    return CameraModel(
        frame_id=frame,
        width_px=640,
        height_px=480,
        k=k,
        distortion_model=model,
        distortion=np.linspace(-0.01, 0.02, num),
        rectification=np.eye(3),
        projection=np.hstack([k, np.zeros((3, 1))]),
    )
