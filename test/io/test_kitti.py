"""KITTI files against what is published about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.errors import CalibrationError, DataFileError
from perception_stack.geometry.boxes import corners, points_inside, project_boxes, transform_boxes
from perception_stack.geometry.transforms import (
    RigidTransform,
    matrix_from_quat,
    quat_from_yaw,
)
from perception_stack.io.kitti import (
    boxes_from_kitti,
    read_calibration,
    read_detections_2d,
    read_detections_3d,
    read_object_labels,
    read_poses,
    read_scan,
    read_tracking_labels,
    stamp_of_frame,
    yaw_camera_from_quat,
)

_CALIB = """\
P0: 700 0 600 0 0 700 180 0 0 0 1 0
P2: 700 0 600 45.2 0 700 180 -0.3 0 0 1 0.005
R0_rect: 1 0 0 0 1 0 0 0 1
Tr_velo_to_cam: 0 -1 0 0.1 0 0 -1 -0.2 1 0 0 -0.3
"""
_ROW = "Car 0.50 1 -1.57 10 20 50 60 1.5 1.6 4.0 2.0 1.7 12.0 -1.2"


def _calib(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "calib.txt"
    path.write_text(text)
    return path


def _one(ry: float) -> np.ndarray:
    return np.array([[1.5, 1.6, 4.0, 2.0, 1.7, 12.0, ry]])


def _boxes(rows: np.ndarray) -> object:
    return boxes_from_kitti(rows, ["car"] * len(rows), score=np.ones(len(rows)), stamp_ns=0)


def test_points_are_projected_as_the_paper_says(tmp_path: Path) -> None:
    calibration = read_calibration(_calib(tmp_path, _CALIB))
    points = np.array([[10.0, 1.0, 0.5], [20.0, -3.0, -1.0]])
    p2 = np.array([[700, 0, 600, 45.2], [0, 700, 180, -0.3], [0, 0, 1, 0.005]])
    velo = np.array([[0, -1, 0, 0.1], [0, 0, -1, -0.2], [1, 0, 0, -0.3], [0, 0, 0, 1]])
    homogeneous = p2 @ velo @ np.column_stack([points, np.ones(2)]).T
    camera = calibration.camera(width_px=1242, height_px=375)
    seen = camera.project(calibration.camera_from_velodyne.apply(points))
    np.testing.assert_allclose(seen.uv_px, (homogeneous[:2] / homogeneous[2]).T, atol=1e-9)


def test_official_tracking_names_are_read_too(tmp_path: Path) -> None:
    text = _CALIB.replace("R0_rect:", "R_rect").replace("Tr_velo_to_cam:", "Tr_velo_cam")
    one = read_calibration(_calib(tmp_path, text))
    other = read_calibration(_calib(tmp_path, _CALIB))
    np.testing.assert_array_equal(
        one.camera_from_velodyne.matrix, other.camera_from_velodyne.matrix
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("P2:", "P9:"), "has no P2"),
        (("0.1 0 0", "0.1 0"), "Tr_velo_to_cam has 11 values"),
        (("R0_rect: 1", "R0_rect: 2"), "R0_rect is not a rotation"),
        (("R0_rect: 1", "R0_rect: nan"), "R0_rect is not a rotation"),
        (("R0_rect: 1", "R0_rect: one"), "R0_rect: could not convert"),
        (("P2: 700", "P2: 0"), "P2 is no projection"),
    ],
    ids=["missing", "short", "scaled", "nan", "word", "projection"],
)
def test_calibrations_that_cannot_be_used(
    tmp_path: Path, change: tuple[str, str], text: str
) -> None:
    with pytest.raises(CalibrationError, match=text):
        read_calibration(_calib(tmp_path, _CALIB.replace(*change)))


@pytest.mark.parametrize(
    ("focal_px", "size_px"), [("707.0493", (1224, 370)), ("718.856", (1241, 376))]
)
def test_focal_length_tells_the_size_of_the_image(
    tmp_path: Path, focal_px: str, size_px: tuple[int, int]
) -> None:
    text = _CALIB.replace("P2: 700 0", f"P2: {focal_px} 0")
    assert read_calibration(_calib(tmp_path, text)).image_size_px == size_px


def test_size_of_images_of_another_camera_is_not_guessed(tmp_path: Path) -> None:
    calibration = read_calibration(_calib(tmp_path, _CALIB))
    with pytest.raises(CalibrationError, match=r"no images of focal length 700\.0 px"):
        _ = calibration.image_size_px


def test_absent_calibration(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="No such file"):
        read_calibration(tmp_path / "absent.txt")


def test_box_facing_right_has_its_length_along_the_image() -> None:
    """``ry`` 0 is along the camera's x axis, and the given point is the bottom centre."""
    box = _boxes(_one(0.0))
    low, high = corners(box)[0].min(axis=0), corners(box)[0].max(axis=0)
    np.testing.assert_allclose(low, [2.0 - 2.0, 1.7 - 1.5, 12.0 - 0.8])
    np.testing.assert_allclose(high, [2.0 + 2.0, 1.7, 12.0 + 0.8])


def test_axes_of_a_box_are_ahead_left_up() -> None:
    rotation = matrix_from_quat(_boxes(_one(-np.pi / 2)).quat_xyzw)[0]
    np.testing.assert_allclose(rotation[:, 0], [0, 0, 1], atol=1e-12)  # away from the camera
    np.testing.assert_allclose(rotation[:, 1], [-1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(rotation[:, 2], [0, -1, 0], atol=1e-12)


@settings(deadline=None)
@given(ry=st.lists(st.floats(-np.pi, np.pi), min_size=1, max_size=5))
def test_turn_there_and_back(ry: list[float]) -> None:
    boxes = _boxes(np.concatenate([_one(one) for one in ry]))
    back = yaw_camera_from_quat(boxes.quat_xyzw)
    np.testing.assert_allclose(np.exp(1j * back), np.exp(1j * np.array(ry)), atol=1e-9)


@settings(deadline=None)
@given(yaw=st.floats(-np.pi, np.pi))
def test_yaw_in_the_lidar_frame(yaw: float) -> None:
    """With an ideal rig, a yaw about the LiDAR's z axis is ``ry = -yaw - pi/2``."""
    rect_from_velodyne = RigidTransform(
        target="camera_rect",
        source="velodyne",
        rotation=np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]),
        translation_m=np.zeros(3),
    )
    box = transform_boxes(_boxes(_one(-yaw - np.pi / 2)), rect_from_velodyne.inverse())
    same = np.abs(box.quat_xyzw @ quat_from_yaw(yaw))
    np.testing.assert_allclose(same, 1, atol=1e-9)


def test_object_label(tmp_path: Path) -> None:
    path = tmp_path / "label.txt"
    path.write_text(f"{_ROW}\nDontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10\n\n")
    labels = read_object_labels(path, stamp_ns=9)
    assert labels.boxes.labels == ("car",)
    assert (labels.boxes.frame_id, labels.boxes.stamp_ns) == ("camera_rect", 9)
    np.testing.assert_allclose(labels.boxes.center_m, [[2.0, 1.7 - 0.75, 12.0]])
    np.testing.assert_array_equal(labels.boxes.size_lwh_m, [[4.0, 1.6, 1.5]])
    assert (labels.ids, labels.truncation.tolist(), labels.occlusion.tolist()) == (
        (-1,),
        [0.5],
        [1],
    )
    assert labels.xyxy_px.tolist() == [[10, 20, 50, 60]]
    assert labels.dont_care_xyxy_px.tolist() == [[1, 2, 3, 4]]


def test_tracking_labels(tmp_path: Path) -> None:
    path = tmp_path / "0000.txt"
    path.write_text(f"3 7 {_ROW}\n0 5 {_ROW}\n3 8 {_ROW.replace('Car', 'Person_sitting')}\n")
    labels = read_tracking_labels(path)
    assert list(labels) == [0, 3]
    assert labels[3].ids == (7, 8)
    assert labels[3].boxes.labels == ("car", "person_sitting")
    assert labels[3].boxes.stamp_ns == stamp_of_frame(0) + 300_000_000


def test_empty_label_file_is_a_frame_without_objects(tmp_path: Path) -> None:
    (tmp_path / "label.txt").write_text("")
    assert len(read_object_labels(tmp_path / "label.txt", stamp_ns=0).boxes) == 0


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (_ROW + "\nCar 1 2 3", "line 2 has 4 columns, expected 15"),
        (_ROW.replace("1.6", "wide"), "line 1: could not convert string to float: 'wide'"),
    ],
    ids=["short", "word"],
)
def test_labels_that_cannot_be_read(tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / "label.txt").write_text(content)
    with pytest.raises(DataFileError, match=text):
        read_object_labels(tmp_path / "label.txt", stamp_ns=0)


def test_scan_of_a_broken_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0.bin").write_bytes(bytes(33))
    with pytest.raises(DataFileError, match="33 bytes are not a whole number of 16-byte points"):
        read_scan(tmp_path / "0.bin", stamp_ns=0)
    (tmp_path / "0.bin").write_bytes(b"")
    assert len(read_scan(tmp_path / "0.bin", stamp_ns=0)) == 0


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("1 2 3\n", "expected 12 numbers of a pose"),
        ("1 0 0 0 0 2 0 0 0 0 1 0\n", "expected 12 numbers of a pose"),
        ("a\n", "not a table of numbers"),
    ],
)
def test_poses_that_are_none(tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / "poses.txt").write_text(content)
    with pytest.raises(DataFileError, match=text):
        read_poses(tmp_path / "poses.txt")


def test_detections_3d(tmp_path: Path) -> None:
    for name, kind in (("car", 2), ("cyclist", 3)):
        (tmp_path / name).write_text(f"4,{kind},1,2,3,4,0.0,1.5,1.6,4.0,2.0,1.7,12.0,-1.2,0.1\n")
    frames = read_detections_3d(tmp_path / "car", tmp_path / "cyclist")
    boxes, raw_score = frames[4]
    assert boxes.labels == ("car", "cyclist")
    assert boxes.score.tolist() == [0.5, 0.5]
    assert raw_score.tolist() == [0, 0]
    np.testing.assert_allclose(boxes.center_m[1], [2.0, 0.95, 12.0])
    (tmp_path / "car").write_text("4,8,1,2,3,4,0,1,1,1,1,1,1,1,1\n")
    with pytest.raises(DataFileError, match="unknown type 8"):
        read_detections_3d(tmp_path / "car")


def test_detections_2d(tmp_path: Path) -> None:
    (tmp_path / "car").write_text("2,1,2,30,40,0.75\n0,5,6,7,8,0.5\n")
    frames = read_detections_2d({"car": tmp_path / "car"})
    assert list(frames) == [0, 2]
    assert frames[2].xyxy_px.tolist() == [[1, 2, 30, 40]]
    assert (frames[2].labels, frames[2].score.tolist()) == (("car",), [0.75])


@pytest.mark.parametrize("name", ["000001", "000008", "000031", "000134"])
def test_real_labels_fit_points_and_image(data_dir: Path, name: str) -> None:
    folder = data_dir / "kitti_object" / "training"
    calibration = read_calibration(folder / "calib" / f"{name}.txt")
    labels = read_object_labels(folder / "label_2" / f"{name}.txt", stamp_ns=0)
    scan = read_scan(folder / "velodyne" / f"{name}.bin", stamp_ns=0)
    xyz_m = calibration.rect_from_velodyne.apply(scan.xyz_m)
    assert (points_inside(xyz_m, labels.boxes).sum(axis=1) > 0).all()
    seen = transform_boxes(labels.boxes, calibration.camera_from_rect)
    xyxy_px, visible = project_boxes(seen, calibration.camera(width_px=1242, height_px=375))
    whole = labels.truncation == 0
    assert visible.all()
    # the published agreement: about 2 px, 13 px for close pedestrians
    assert np.median(np.abs(xyxy_px - labels.xyxy_px)[whole]) < 1
    assert np.abs(xyxy_px - labels.xyxy_px)[whole].max() < 14


def test_real_poses_make_parked_cars_stand_still(data_dir: Path) -> None:
    folder = data_dir / "kitti_tracking"
    calibration = read_calibration(folder / "calib" / "0014.txt")
    poses = read_poses(folder / "orbslam3_pose" / "0014.txt")
    places: dict[int, list[np.ndarray]] = {}
    for frame, labels in read_tracking_labels(folder / "label_02" / "0014.txt").items():
        boxes = transform_boxes(
            transform_boxes(labels.boxes, calibration.camera_from_rect), poses[frame]
        )
        for track, center_m in zip(labels.ids, boxes.center_m, strict=True):
            places.setdefault(track, []).append(center_m)
    spreads = sorted(
        float(np.linalg.norm(np.std(one, axis=0))) for one in places.values() if len(one) >= 20
    )
    # the camera drives 40 m; relative to it the same cars move by several metres
    assert spreads[4] < 0.15
