"""Labelled scans of several sensors for the LiDAR benchmark, all in the frame of their cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray, PointCloud
from perception_stack.geometry.boxes import points_inside, transform_boxes
from perception_stack.geometry.transforms import quat_from_yaw
from perception_stack.io.kitti.calibration import RECT, KittiCalibration, read_calibration
from perception_stack.io.kitti.labels import read_object_labels, read_tracking_labels
from perception_stack.io.kitti.scans import read_scan
from perception_stack.io.kitti.stamps import stamp_of_frame

FRAME = "lidar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One scan and what is labelled in it, both in the frame of the cloud."""

    name: str
    cloud: PointCloud
    truth: Boxes3D

    def rows_with(self, min_points: int, max_range_m: float) -> Frame:
        """The labels that hold enough points near enough."""
        num = points_inside(self.cloud.xyz_m.astype(np.float64), self.truth).sum(axis=1)
        near = np.hypot(*self.truth.center_m[:, :2].T) < max_range_m
        return replace(self, truth=self.truth.rows((num >= min_points) & near))


def kitti_object(data: Path) -> Iterator[Frame]:
    """The whole scans of the object benchmark."""
    root = data / "kitti_object" / "training"
    for path in sorted((root / "velodyne").glob("*.bin")):
        calibration = read_calibration(root / "calib" / f"{path.stem}.txt")
        labels = read_object_labels(root / "label_2" / f"{path.stem}.txt", stamp_ns=0)
        yield _kitti(path, 0, labels.boxes, calibration)


def kitti_drive(data: Path) -> Iterator[Frame]:
    """Drive 0005, cropped to the camera's view."""
    root = data / "kitti_drive_0005_seq_0000"
    calibration = read_calibration(root / "calib" / "0000.txt")
    labels = read_tracking_labels(root / "label_02" / "0000.txt")
    for path in sorted((root / "velodyne_fov").glob("*.bin")):
        number = int(path.stem)
        stamp_ns = stamp_of_frame(number)
        truth = Boxes3D.empty(frame_id=RECT, stamp_ns=stamp_ns)
        if number in labels:
            truth = labels[number].boxes
        yield _kitti(path, stamp_ns, truth, calibration)


def _kitti(path: Path, stamp_ns: int, truth: Boxes3D, calibration: KittiCalibration) -> Frame:
    cloud = read_scan(path, stamp_ns=stamp_ns)
    camera_from_lidar = calibration.camera_from_velodyne
    # the labels are in the rectified frame, which is that of the image
    truth = replace(truth, frame_id=camera_from_lidar.target)
    return Frame(
        name=path.stem, cloud=cloud, truth=transform_boxes(truth, camera_from_lidar.inverse())
    )


def nuscenes(data: Path) -> Iterator[Frame]:
    """One sweep of 32 beams."""
    root = data / "nuscenes_sample"
    info = json.loads((root / "sample_info.json").read_text())
    names = list(info["metainfo"]["categories"])
    instances = info["data_list"][0]["instances"]
    points = np.fromfile(next(root.glob("*LIDAR_TOP*.bin")), dtype="<f4").reshape(-1, 5)
    boxes = np.array([one["bbox_3d"] for one in instances])
    labels = [names[one["bbox_label_3d"]] for one in instances]
    quat_xyzw = quat_from_yaw(boxes[:, 6])
    yield _frame("nuScenes", points[:, :3], boxes[:, :3], boxes[:, 3:6], quat_xyzw, labels=labels)


def sun_rgbd(data: Path) -> Iterator[Frame]:
    """One indoor cloud of a depth camera, turned upright."""
    root = data / "sunrgbd_sample"
    info = json.loads((root / "000017_info.json").read_text())
    instances = info["data_list"][0]["instances"]
    points = np.fromfile(root / "000017.bin", dtype="<f4").reshape(-1, 6)
    boxes = np.array([one["bbox_3d"] for one in instances])
    labels = [f"class {one['bbox_label_3d']}" for one in instances]
    quat_xyzw = quat_from_yaw(boxes[:, 6])
    yield _frame("SUN RGB-D", points[:, :3], boxes[:, :3], boxes[:, 3:6], quat_xyzw, labels=labels)


def argoverse(data: Path) -> Iterator[Frame]:
    """One sweep of two stacked LiDARs in the vehicle's frame.

    Raises:
        ImportError: pyarrow, which reads the files, is not installed.
    """
    from pyarrow import feather

    root = next((data / "argoverse2_log").glob("*-*"))
    path = next((root / "sensors" / "lidar").glob("*.feather"))
    sweep = feather.read_table(path).to_pydict()
    table = feather.read_table(root / "annotations.feather").to_pydict()
    now = np.array(table["timestamp_ns"]) == int(path.stem)

    def columns(*names: str) -> FloatArray:
        return np.stack([np.array(table[name], dtype=np.float64)[now] for name in names], axis=1)

    yield _frame(
        "Argoverse 2",
        np.stack([np.array(sweep[axis], dtype=np.float32) for axis in "xyz"], axis=1),
        columns("tx_m", "ty_m", "tz_m"),
        columns("length_m", "width_m", "height_m"),
        columns("qx", "qy", "qz", "qw"),
        labels=[str(name).lower() for name in np.array(table["category"])[now]],
    )


def _frame(
    name: str,
    xyz_m: NDArray[np.float32],
    *boxes: FloatArray,
    labels: list[str],
) -> Frame:
    center_m, size_lwh_m, quat_xyzw = boxes
    classes = tuple(sorted(set(labels)))
    num = len(labels)
    class_probs = np.zeros((num, len(classes)))
    class_probs[np.arange(num), [classes.index(label) for label in labels]] = 1
    truth = Boxes3D(
        frame_id=FRAME,
        stamp_ns=0,
        center_m=np.ascontiguousarray(center_m),
        quat_xyzw=quat_xyzw,
        size_lwh_m=np.ascontiguousarray(size_lwh_m),
        covariance=np.zeros((num, 6, 6)),
        score=np.ones(num),
        classes=classes,
        class_probs=class_probs,
        sensors=((),) * num,
    )
    cloud = PointCloud(frame_id=FRAME, stamp_ns=0, xyz_m=np.ascontiguousarray(xyz_m))
    return Frame(name=name, cloud=cloud, truth=truth)
