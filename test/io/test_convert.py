"""KITTI data become bags with everything in its place and frame."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from perception_stack.errors import ConfigError, DataFileError
from perception_stack.geometry.boxes import points_inside, transform_boxes
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.io import messages
from perception_stack.io.bags import STORAGES, BagReader
from perception_stack.io.convert import convert_kitti
from perception_stack.io.kitti import EPOCH_NS
from perception_stack.io.recording import TOPIC_TYPES

_CALIB = """\
P2: 721.5377 0 300 45.2 0 721.5377 90 -0.3 0 0 1 0.005
R0_rect: 1 0 0 0 1 0 0 0 1
Tr_velo_to_cam: 0 -1 0 0 0 0 -1 -0.1 1 0 0 -0.3
"""
_LABEL = "Car 0 0 0 10 20 50 60 1.5 1.6 4.0 {x} 1.7 12.0 0"
_DONT_CARE = "DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10"


def _scan(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.random.default_rng(seed).normal(size=(50, 4)).astype("<f4").tofile(path)


def _image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((20, 30, 3), 7, dtype=np.uint8))


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _make_object(root: Path) -> None:
    for i, name in enumerate(("000003", "000010")):
        _scan(root / "training" / "velodyne" / f"{name}.bin", i)
        _image(root / "training" / "image_2" / f"{name}.png")
        _text(root / "training" / "calib" / f"{name}.txt", _CALIB)
        _text(
            root / "training" / "label_2" / f"{name}.txt", _LABEL.format(x=i) + "\n" + _DONT_CARE
        )


def _make_raw(root: Path) -> None:
    _text(root / "calib.txt", _CALIB)
    for i in range(3):
        _scan(root / "velodyne_fov" / f"{i:010d}.bin", i)
        _image(root / "image_02" / f"{i:010d}.png")


def _make_tracking(root: Path) -> None:
    """The vehicle drives 1 m ahead each frame towards a standing car."""
    _text(root / "calib" / "0000.txt", _CALIB)
    rows = [f"{i} 4 {_LABEL.format(x=2).replace('12.0', str(12.0 - i))}" for i in (0, 2)]
    _text(root / "label_02" / "0000.txt", "\n".join(rows))
    poses = [f"1 0 0 0 0 1 0 0 0 0 1 {i}" for i in range(3)]
    _text(root / "orbslam3_pose" / "0000.txt", "\n".join(poses))
    _text(root / "detection" / "rrc2d_Car" / "0000.txt", "1,10,20,50,60,0.7")
    for i in range(3):
        _scan(root / "velodyne_fov" / f"{i:06d}.bin", i)


_MAKE = {
    "kitti-object": _make_object,
    "kitti-raw": _make_raw,
    "kitti-tracking": _make_tracking,
}


def _converted(tmp_path: Path, kind: str, **options: Any) -> list[tuple[str, int, Any]]:
    source = tmp_path / "source"
    if not source.exists():
        _MAKE[kind](source)
    convert_kitti(kind, source, tmp_path / "bag", **options)
    with BagReader(tmp_path / "bag") as reader:
        assert all(TOPIC_TYPES[topic] == name for topic, name in reader.topics.items())
        return [(one.topic, one.log_time_ns, one.message) for one in reader.messages()]


def _tree(content: list[tuple[str, int, Any]]) -> FrameTree:
    tree = FrameTree(history_s=1e4)
    for topic, _, message in content:
        if topic in ("/tf", "/tf_static"):
            for transform, stamp_ns in messages.transforms_from_msg(message):
                tree.add(transform, stamp_ns=stamp_ns, static=topic == "/tf_static")
    return tree


@pytest.mark.parametrize("storage", STORAGES)
def test_tracking_sequence(tmp_path: Path, storage: str) -> None:
    done: list[tuple[int, int]] = []
    content = _converted(
        tmp_path, "kitti-tracking", storage=storage, progress=lambda *each: done.append(each)
    )
    assert done == [(1, 3), (2, 3), (3, 3)]
    frame = ["/clock", "/tf", "/camera_info", "/ground_truth", "/detections", "/points"]
    assert [topic for topic, _, _ in content] == ["/tf_static", *frame * 3]
    stamps = [EPOCH_NS + i * 100_000_000 for i in range(3)]
    assert [time for topic, time, _ in content if topic == "/points"] == stamps
    truth = [messages.truth_from_msg(one) for topic, _, one in content if topic == "/ground_truth"]
    assert [ids for _, ids in truth] == [("4",), (), ("4",)]
    # the car stands still in odom, whose origin is the first LiDAR pose
    for boxes, ids in truth:
        assert boxes.frame_id == "odom"
        if ids:
            np.testing.assert_allclose(boxes.center_m, [[12.3, -2.0, -1.7 + 0.75 - 0.1]])
    tree = _tree(content)
    for i, stamp_ns in enumerate(stamps):
        np.testing.assert_allclose(
            tree.lookup("odom", "velodyne", stamp_ns).translation_m, [i, 0, 0], atol=1e-12
        )
    camera = next(one for topic, _, one in content if topic == "/camera_info")
    assert (camera.width, camera.height) == (1242, 375)
    found = [
        messages.detections2d_from_msg(o) for topic, _, o in content if topic == "/detections"
    ]
    assert [len(one) for one in found] == [0, 1, 0]


def test_every_message_has_the_stamp_of_its_frame(tmp_path: Path) -> None:
    for topic, time, message in _converted(tmp_path, "kitti-tracking"):
        if topic.startswith("/tf"):
            stamps = {stamp_ns for _, stamp_ns in messages.transforms_from_msg(message)}
        elif topic == "/clock":
            stamps = {message.clock.sec * 10**9 + message.clock.nanosec}
        else:
            stamps = {messages.stamp_ns(message.header)}
        assert stamps == {time}


def test_raw_drive(tmp_path: Path) -> None:
    content = _converted(tmp_path, "kitti-raw", static_ego=True)
    frame = ["/clock", "/camera_info", "/image", "/points"]
    assert [topic for topic, _, _ in content] == ["/tf_static", *frame * 3]
    image = messages.image_from_msg(content[3][2])
    assert image.frame_id == "camera_optical"
    assert (image.bgr == 7).all()
    camera = messages.camera_from_msg(content[2][2])
    assert (camera.width_px, camera.height_px, camera.k[0, 2]) == (30, 20, 300)
    base_from_camera = _tree(content).lookup("odom", "camera_optical", EPOCH_NS)
    # x of the optical frame is right, z ahead
    np.testing.assert_allclose(base_from_camera.rotation @ [1, 0, 0], [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(base_from_camera.rotation @ [0, 0, 1], [1, 0, 0], atol=1e-12)


def test_without_ego_motion_there_is_no_odom(tmp_path: Path) -> None:
    assert "odom" not in _tree(_converted(tmp_path, "kitti-raw")).frames


def test_stills(tmp_path: Path) -> None:
    source = tmp_path / "source"
    _make_object(source)
    summary = convert_kitti("kitti-object", source, tmp_path / "first")
    assert (summary.num_frames, summary.num_labels, summary.num_dont_care) == (2, {"car": 2}, 2)
    content = _converted(tmp_path, "kitti-object")
    truth = [messages.truth_from_msg(one) for topic, _, one in content if topic == "/ground_truth"]
    assert [ids for _, ids in truth] == [("000003-0",), ("000010-0",)]
    assert {boxes.frame_id for boxes, _ in truth} == {"base_link"}
    # each still has its own calibration, so it cannot be static
    tree = _tree(content)
    for _, time, _ in content:
        assert tree.lookup("base_link", "camera_optical", time).source == "camera_optical"


def test_scan_of_a_still_may_be_the_reduced_one(tmp_path: Path) -> None:
    source = tmp_path / "source"
    _make_object(source)
    (source / "training" / "velodyne_reduced").mkdir()
    whole = source / "training" / "velodyne" / "000010.bin"
    whole.rename(source / "training" / "velodyne_reduced" / whole.name)
    assert len(_converted(tmp_path, "kitti-object")) == 13


@pytest.mark.parametrize(
    ("kind", "missing", "text"),
    [
        ("kitti-object", "training/velodyne/000010.bin", "velodyne/000010.bin.*no such file"),
        ("kitti-object", "training/image_2/000003.png", "image_2/000003.png.*no such file"),
        ("kitti-object", "training/label_2/000003.txt", "label_2/000003.txt.*no such file"),
        ("kitti-object", "training", "no folder 'training'"),
        ("kitti-raw", "calib.txt", "calib.txt.*no such file"),
        ("kitti-raw", "velodyne_fov", "no folder 'velodyne_fov'"),
        ("kitti-raw", "image_02/0000000001.png", "0000000001.png.*no such file"),
        ("kitti-tracking", "label_02/0000.txt", "label_02/0000.txt.*no such file"),
        ("kitti-tracking", "calib/0000.txt", "no numbered .txt file"),
    ],
)
def test_missing_file_is_named(tmp_path: Path, kind: str, missing: str, text: str) -> None:
    source = tmp_path / "source"
    _MAKE[kind](source)
    gone = source / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(DataFileError, match=text):
        convert_kitti(kind, source, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


def test_bag_that_cannot_be_finished_is_removed(tmp_path: Path) -> None:
    _make_raw(tmp_path / "source")
    (tmp_path / "source" / "image_02" / "0000000002.png").write_text("no image")
    with pytest.raises(DataFileError, match=r"0000000002.png.*no image"):
        convert_kitti("kitti-raw", tmp_path / "source", tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


def test_existing_output_is_left_alone(tmp_path: Path) -> None:
    _make_raw(tmp_path / "source")
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "precious").write_text("data")
    with pytest.raises(ConfigError, match="exists"):
        convert_kitti("kitti-raw", tmp_path / "source", tmp_path / "bag")
    assert (tmp_path / "bag" / "precious").read_text() == "data"


def test_wrong_use(tmp_path: Path) -> None:
    _make_tracking(tmp_path / "source")
    with pytest.raises(ConfigError, match="'kitti' is not one of kitti-object"):
        convert_kitti("kitti", tmp_path / "source", tmp_path / "bag")
    with pytest.raises(DataFileError, match="no such folder"):
        convert_kitti("kitti-raw", tmp_path / "absent", tmp_path / "bag")
    with pytest.raises(ConfigError, match="ego poses"):
        convert_kitti("kitti-tracking", tmp_path / "source", tmp_path / "bag", static_ego=True)
    _text(tmp_path / "source" / "calib" / "0001.txt", _CALIB)
    with pytest.raises(DataFileError, match="several sequences, name one of 0000, 0001"):
        convert_kitti("kitti-tracking", tmp_path / "source", tmp_path / "bag")
    convert_kitti("kitti-tracking", tmp_path / "source", tmp_path / "bag", sequence="0000")


@pytest.mark.parametrize("storage", STORAGES)
def test_same_data_give_the_same_bytes(tmp_path: Path, storage: str) -> None:
    _make_raw(tmp_path / "source")
    folders = [tmp_path / name / "bag" for name in ("one", "two")]
    for folder in folders:
        convert_kitti("kitti-raw", tmp_path / "source", folder, storage=storage)
    for file in folders[0].iterdir():
        assert file.read_bytes() == (folders[1] / file.name).read_bytes()


def test_real_sequence(tmp_path: Path, data_dir: Path) -> None:
    source = data_dir / "kitti_drive_0005_seq_0000"
    summary = convert_kitti("kitti-tracking", source, tmp_path / "bag")
    assert summary.num_frames == 77
    assert summary.num_labels == {"cyclist": 77, "pedestrian": 6, "van": 149}
    tree = FrameTree(history_s=1e4)
    with BagReader(tmp_path / "bag") as reader:
        reader.require({name: TOPIC_TYPES[name] for name in ("/points", "/tf", "/ground_truth")})
        for one in reader.messages(["/tf", "/tf_static"]):
            for transform, stamp_ns in messages.transforms_from_msg(one.message):
                tree.add(transform, stamp_ns=stamp_ns, static=one.topic == "/tf_static")
        num_points = []
        truth = None
        for one in reader.messages(["/ground_truth", "/points"]):
            if one.topic == "/ground_truth":
                truth, _ = messages.truth_from_msg(one.message)
                continue
            cloud = messages.cloud_from_msg(one.message)
            velodyne_from_odom = tree.lookup(cloud.frame_id, "odom", cloud.stamp_ns)
            boxes = transform_boxes(truth, velodyne_from_odom)
            num_points.extend(points_inside(cloud.xyz_m, boxes).sum(axis=1))
    # scans are cropped to the image, labels too; far vans get few points
    assert np.mean(np.array(num_points) > 20) > 0.95
