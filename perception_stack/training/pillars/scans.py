"""Labelled scans on disk, small and quick to read: what a network on pillars learns from.

A scan is an ``.npz`` with its points above the ground (z is the height over the mean plane that
the LiDAR detector finds), the boxes in the same frame, their classes and how many points each has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, PointCloud
from perception_stack.errors import DataFileError
from perception_stack.geometry.boxes import points_inside, transform_boxes
from perception_stack.geometry.transforms import yaw_from_quat
from perception_stack.io.kitti.calibration import read_calibration
from perception_stack.io.kitti.labels import read_object_labels
from perception_stack.io.kitti.scans import read_scan
from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.simulation.labelled_scans import labelled_scans

CLASSES = ("car", "cyclist", "pedestrian", "truck")
_KITTI = {"person_sitting": "pedestrian", "van": "truck"}
_STEP_M = 0.002
_FARTHEST_M = 65.0  # 16 bits of such steps
_HEIGHTS_M = (-1.0, 4.5)
_NEAREST_M = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One labelled scan, level, z above the ground.

    Attributes:
        xyz_m: float32 [N, 3].
        boxes: float32 [K, 7], centre, length, width, height, yaw.
        label: int64 [K], index in :data:`CLASSES`.
        num_points: int64 [K], points on each.
        group: Scans of one number belong together: a street, a drive.
        camera_only: Whether labels reach only as far as a camera ahead sees.
    """

    xyz_m: NDArray[np.float32]
    boxes: NDArray[np.float32]
    label: NDArray[np.int64]
    num_points: NDArray[np.int64]
    group: int
    camera_only: bool


def read(path: Path) -> Scan:
    """A scan that :func:`write` wrote.

    Raises:
        DataFileError: it is none.
    """
    try:
        with np.load(path) as found:
            return Scan(
                xyz_m=found["points"].astype(np.float32) * np.float32(_STEP_M),
                boxes=found["boxes"],
                label=found["label"].astype(np.int64),
                num_points=found["num_points"].astype(np.int64),
                group=int(found["group"]),
                camera_only=bool(found["camera_only"]),
            )
    except (OSError, ValueError, KeyError) as error:
        raise DataFileError(path, f"no labelled scan: {error}") from error


def write(path: Path, scan: Scan) -> None:
    """Write a scan."""
    np.savez(
        path,
        points=np.round(scan.xyz_m / _STEP_M).astype(np.int16),
        boxes=scan.boxes.astype(np.float32),
        label=scan.label.astype(np.int8),
        num_points=scan.num_points.astype(np.int32),
        group=scan.group,
        camera_only=scan.camera_only,
    )


def simulated(first_seed: int, num_streets: int, *, per_street: int) -> Iterator[Scan]:
    """Scans of simulated streets, each taken by another sensor from another place."""
    detector = LidarDetector(LidarDetectorConfig(), Journal())
    for seed in range(first_seed, first_seed + num_streets):
        for one in labelled_scans(seed, num=per_street):
            scan = _levelled(
                detector, one.cloud, one.boxes, one.num_points, group=seed, camera_only=False
            )
            if scan is not None:
                yield scan


def kitti(root: Path, frames: list[str]) -> Iterator[Scan]:
    """Scans of KITTI's object benchmark, with what is labelled in them.

    Raises:
        DataFileError: a file of a frame is missing or malformed.
    """
    detector = LidarDetector(LidarDetectorConfig(), Journal())
    for i, frame in enumerate(frames):
        calibration = read_calibration(root / "calib" / f"{frame}.txt")
        labels = read_object_labels(root / "label_2" / f"{frame}.txt", stamp_ns=0)
        cloud = read_scan(root / "velodyne" / f"{frame}.bin", stamp_ns=0)
        boxes = transform_boxes(labels.boxes, calibration.rect_from_velodyne.inverse())
        names = [_KITTI.get(one, one) for one in boxes.labels]
        known = np.array([one in CLASSES for one in names], dtype=bool)
        inside = points_inside(cloud.xyz_m.astype(np.float64), boxes).sum(axis=1)
        scan = _levelled(
            detector,
            cloud,
            boxes.rows(known),
            inside[known],
            group=i,
            camera_only=True,
        )
        if scan is not None:
            yield scan


def _levelled(
    detector: LidarDetector,
    cloud: PointCloud,
    boxes: Boxes3D,
    num_points: NDArray[np.int64],
    *,
    group: int,
    camera_only: bool,
) -> Scan | None:
    """The scan with z above its ground; None where there is no ground."""
    segmentation = detector.segment(cloud)
    if segmentation is None:
        return None
    slope, height_m = segmentation.plane[:2], segmentation.plane[2]
    xyz_m = cloud.xyz_m[np.isfinite(cloud.xyz_m).all(axis=1)].astype(np.float64)
    xyz_m[:, 2] -= xyz_m[:, :2] @ slope + height_m
    kept = (np.abs(xyz_m[:, :2]) < _FARTHEST_M).all(axis=1)
    kept &= (xyz_m[:, 2] > _HEIGHTS_M[0]) & (xyz_m[:, 2] < _HEIGHTS_M[1])
    kept &= np.hypot(xyz_m[:, 0], xyz_m[:, 1]) > _NEAREST_M
    center_m = boxes.center_m.copy()
    center_m[:, 2] -= center_m[:, :2] @ slope + height_m
    labels = [_KITTI.get(one, one) for one in boxes.labels]
    return Scan(
        xyz_m=xyz_m[kept].astype(np.float32),
        boxes=np.column_stack([center_m, boxes.size_lwh_m, yaw_from_quat(boxes.quat_xyzw)]).astype(
            np.float32
        ),
        label=np.array([CLASSES.index(one) for one in labels], dtype=np.int64),
        num_points=num_points.astype(np.int64),
        group=group,
        camera_only=camera_only,
    )
