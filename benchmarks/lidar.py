"""The LiDAR detector on KITTI scans: what it finds, how well the boxes fit, how long it takes.

Both sets of the data folder, the whole scans of the object benchmark and the cropped ones of drive
0005, with Open3D (voxel grid, RANSAC plane, DBSCAN, no boxes) in the same run on the same core::

    OMP_NUM_THREADS=1 python benchmarks/lidar.py --data ../shared/data

A labelled car, cyclist or pedestrian with at least 20 points is *hit* when the mean of a cluster
lies in its box, and 60 % of the cluster's points; *strictly*, when only that cluster has more than
a tenth of the box's points, and at least half of them. Labels reach the ground, clusters do not.
Times are those of the processor, so that other work on the machine does not enter.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray, PointCloud
from perception_stack.geometry.boxes import points_inside, transform_boxes
from perception_stack.geometry.overlap import iou_bev
from perception_stack.geometry.transforms import quat_from_yaw, yaw_from_quat
from perception_stack.io.kitti.calibration import RECT, KittiCalibration, read_calibration
from perception_stack.io.kitti.labels import read_object_labels, read_tracking_labels
from perception_stack.io.kitti.scans import read_scan
from perception_stack.io.kitti.stamps import stamp_of_frame
from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.shape.rectangles import fit_rectangles

CLASSES = ("car", "cyclist", "pedestrian")
MIN_POINTS = 20
LIKELY_90 = 4.605  # chi square of two degrees of freedom

Clusters = tuple[FloatArray, NDArray[np.intp]]
"""Points float64 [N, 3] and the cluster of each, -1 for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One scan and what is labelled in it, both in the LiDAR's frame."""

    name: str
    cloud: PointCloud
    truth: Boxes3D


def object_frames(data: Path) -> Iterator[Frame]:
    root = data / "kitti_object" / "training"
    for path in sorted((root / "velodyne").glob("*.bin")):
        calibration = read_calibration(root / "calib" / f"{path.stem}.txt")
        labels = read_object_labels(root / "label_2" / f"{path.stem}.txt", stamp_ns=0)
        yield _frame(path, 0, labels.boxes, calibration)


def drive_frames(data: Path) -> Iterator[Frame]:
    root = data / "kitti_drive_0005_seq_0000"
    calibration = read_calibration(root / "calib" / "0000.txt")
    labels = read_tracking_labels(root / "label_02" / "0000.txt")
    for path in sorted((root / "velodyne_fov").glob("*.bin")):
        number = int(path.stem)
        stamp_ns = stamp_of_frame(number)
        truth = labels[number].boxes if number in labels else None
        if truth is None:
            truth = Boxes3D.empty(frame_id=RECT, stamp_ns=stamp_ns)
        yield _frame(path, stamp_ns, truth, calibration)


def _frame(path: Path, stamp_ns: int, truth: Boxes3D, calibration: KittiCalibration) -> Frame:
    cloud = read_scan(path, stamp_ns=stamp_ns)
    camera_from_lidar = calibration.camera_from_velodyne
    # the labels are in the rectified frame, which is that of the image
    truth = replace(truth, frame_id=camera_from_lidar.target)
    truth = transform_boxes(truth, camera_from_lidar.inverse())
    num_points = points_inside(cloud.xyz_m.astype(np.float64), truth).sum(axis=1)
    wanted = np.isin(truth.labels, CLASSES) & (num_points >= MIN_POINTS)
    return Frame(name=path.stem, cloud=cloud, truth=truth.rows(wanted))


def open3d_clusters(voxel_m: float) -> Callable[[PointCloud], Clusters]:
    """Open3D's chain as its tutorials have it."""
    import open3d

    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)

    def run(cloud: PointCloud) -> Clusters:
        xyz_m = cloud.xyz_m.astype(np.float64)
        range_m = np.hypot(xyz_m[:, 0], xyz_m[:, 1])
        points = open3d.geometry.PointCloud(
            open3d.utility.Vector3dVector(xyz_m[(range_m > 1.5) & (range_m < 80)])
        ).voxel_down_sample(voxel_m)
        open3d.utility.random.seed(0)
        _, plane = points.segment_plane(0.2, 3, 200)
        rest = points.select_by_index(plane, invert=True)
        labels = np.asarray(rest.cluster_dbscan(0.5, 5))
        return np.asarray(rest.points), labels

    return run


def hits(frame: Frame, clusters: Clusters) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The cluster that hits each labelled box, -1 for none, and whether it does so strictly."""
    points_m, of_point = clusters
    num = int(of_point.max(initial=-1)) + 1
    found = np.full(len(frame.truth), -1)
    strict = np.zeros(len(frame.truth), dtype=np.bool_)
    if num == 0:
        return found, strict
    used = of_point >= 0
    size = np.bincount(of_point[used], minlength=num)
    means_m = (
        np.stack(
            [
                np.bincount(of_point[used], weights=points_m[used, k], minlength=num)
                for k in range(3)
            ],
            axis=1,
        )
        / np.maximum(size, 1)[:, None]
    )
    for row, inside in enumerate(points_inside(points_m, frame.truth)):
        shared = np.bincount(of_point[inside & used], minlength=num)
        middle = points_inside(means_m, frame.truth.rows(np.array([row])))[0]
        good = middle & (shared >= 0.6 * size) & (size > 0)
        if good.any():
            best = int(np.argmax(np.where(good, shared, -1)))
            found[row] = best
            alone = np.count_nonzero(shared > 0.1 * inside.sum()) == 1
            strict[row] = alone and shared[best] >= 0.5 * inside.sum()
    return found, strict


def evaluate(
    name: str, frames: list[Frame], peer: Callable[[PointCloud], Clusters] | None
) -> None:
    """Run both on every frame, turn by turn, and print the tables."""
    config = LidarDetectorConfig()
    detector = LidarDetector(config, Journal())
    detector.warm_up()
    rows: list[tuple[str, bool, bool, bool, bool]] = []
    fits: list[tuple[str, float, float, float, bool]] = []
    ours_ms, peer_ms, num_boxes = [], [], []
    for frame in frames:
        start = time.process_time()
        boxes = detector.detect(frame.cloud).boxes
        ours_ms.append(1e3 * (time.process_time() - start))
        num_boxes.append(len(boxes))
        segmentation = detector.segment(frame.cloud)
        if segmentation is None:
            continue
        columns, clusters = segmentation.columns, segmentation.clusters
        xyz_m = frame.cloud.xyz_m.astype(np.float64)
        found, strict = hits(frame, (xyz_m, clusters.of_point))
        theirs = np.full(len(found), -1), np.zeros(len(found), dtype=np.bool_)
        if peer is not None:
            start = time.process_time()
            answer = peer(frame.cloud)
            peer_ms.append(1e3 * (time.process_time() - start))
            theirs = hits(frame, answer)
        rectangles = fit_rectangles(columns.xyz_m, clusters.of_point, clusters.num)
        size_m = (rectangles.high_m - rectangles.low_m).max(axis=1, initial=0)
        box_of = np.cumsum(size_m <= config.max_size_m) - 1
        for row, label in enumerate(frame.truth.labels):
            rows.append((label, found[row] >= 0, strict[row], theirs[0][row] >= 0, theirs[1][row]))
            if found[row] >= 0:
                pick = np.array([box_of[found[row]]])
                fits.append(_fit(label, boxes.rows(pick), frame.truth.rows(np.array([row]))))

    print(f"\n{name}: {len(frames)} scans, {np.mean(num_boxes):.0f} boxes a scan")
    for label in (*CLASSES, "all"):
        mine = [row[1:] for row in rows if label in (row[0], "all")]
        if mine:
            hit, strict_hit, peer_hit, peer_strict = np.sum(mine, axis=0)
            line = f"  {label:11} {len(mine):3}: hit {hit:3}, strictly {strict_hit:3}"
            print(line + (f"; Open3D {peer_hit:3}, {peer_strict:3}" if peer else ""))
    for label in CLASSES:
        of_label = [fit[1:] for fit in fits if fit[0] == label]
        if of_label:
            error_m, yaw_deg, iou, _ = np.median(of_label, axis=0)
            covered = np.mean([fit[3] for fit in of_label])
            print(
                f"  {label:11} medians: centre {error_m:.2f} m, yaw {yaw_deg:.1f} deg, "
                f"IoU from above {iou:.2f}; within the 90 % ellipse {covered:.2f}"
            )
    print(f"  ms: boxes and all {np.median(ours_ms):.1f}, worst {np.max(ours_ms):.1f}")
    if peer_ms:
        ratio = np.median(peer_ms) / np.median(ours_ms)
        print(f"  ms: Open3D without boxes {np.median(peer_ms):.1f}, {ratio:.1f} times ours")


def _fit(label: str, box: Boxes3D, truth: Boxes3D) -> tuple[str, float, float, float, bool]:
    miss_m = (box.center_m - truth.center_m)[0, :2]
    turn = yaw_from_quat(box.quat_xyzw)[0] - yaw_from_quat(truth.quat_xyzw)[0]
    yaw_deg = abs(np.rad2deg((turn + np.pi / 2) % np.pi - np.pi / 2))
    likely = miss_m @ np.linalg.solve(box.covariance[0, :2, :2], miss_m) < LIKELY_90
    level = replace(truth, quat_xyzw=quat_from_yaw(yaw_from_quat(truth.quat_xyzw)))
    iou = iou_bev(box, level)[0, 0]
    return label, float(np.linalg.norm(miss_m)), float(yaw_deg), float(iou), bool(likely)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--repeats", type=int, default=3, help="of the few whole scans")
    arguments = parser.parse_args()
    try:
        peer = open3d_clusters(0.2)
    except ImportError:
        print("Open3D is not installed: no comparison", file=sys.stderr)
        peer = None
    whole = list(object_frames(arguments.data))
    evaluate("whole scans", whole, peer)
    if arguments.repeats > 1:
        times = []
        detector = LidarDetector(LidarDetectorConfig(), Journal())
        for _ in range(arguments.repeats):
            for frame in whole:
                start = time.process_time()
                detector.detect(frame.cloud)
                times.append(1e3 * (time.process_time() - start))
        p50, p95 = np.percentile(times, [50, 95])
        print(f"  ms over {len(times)} more scans: median {p50:.1f}, 95 % within {p95:.1f}")
    evaluate("drive 0005, camera view", list(drive_frames(arguments.data)), peer)


if __name__ == "__main__":
    main()
