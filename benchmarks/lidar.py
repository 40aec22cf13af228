"""The LiDAR detector on labelled scans: what it finds, how well the boxes fit, how long it takes.

KITTI (whole scans, and drive 0005 cropped to the camera's view), one sweep each of nuScenes and
Argoverse 2 (read by pyarrow) and an indoor cloud of SUN RGB-D, with Open3D (voxel grid, RANSAC
plane, DBSCAN, no boxes) in the same run on the same core::

    OMP_NUM_THREADS=1 python benchmarks/lidar.py --data ../shared/data

A labelled object with at least 20 points (5 for nuScenes and Argoverse 2) is *hit* when the mean
of a cluster lies in its box, and 60 % of the cluster's points; *strictly*, when only that cluster
has more than a tenth of the box's points, and at least half of them. Labels reach the ground,
clusters do not. Times are those of the processor: other work on the machine does not enter.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from lidar_frames import Frame, argoverse, kitti_drive, kitti_object, nuscenes, sun_rgbd
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray, PointCloud
from perception_stack.geometry.boxes import points_inside
from perception_stack.geometry.overlap import iou_bev
from perception_stack.geometry.transforms import quat_from_yaw, yaw_from_quat
from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.shape.rectangles import fit_rectangles

COUNTED = ("car", "cyclist", "pedestrian")  # of KITTI, into the row "all"
NEAR_M = 40.0
MIN_POINTS = 20
FEW_POINTS = 5  # where there are few labels
LIKELY_90 = 4.605  # chi square of two degrees of freedom

Clusters = tuple[FloatArray, NDArray[np.intp]]
"""Points float64 [N, 3] and the cluster of each, -1 for none."""


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
    name: str,
    frames: list[Frame],
    peer: Callable[[PointCloud], Clusters] | None,
    *,
    counted: tuple[str, ...] | None = None,
    min_points: int = MIN_POINTS,
) -> list[bool]:
    """Run both on every frame, turn by turn, and print the tables.

    Returns for each box that hits whether the true centre is within its 90 % ellipse.
    """
    config = LidarDetectorConfig()
    detector = LidarDetector(config, Journal())
    detector.warm_up()
    rows: list[tuple[str, bool, bool, bool, bool, bool]] = []
    fits: list[tuple[str, float, float, float, bool]] = []
    ours_ms, peer_ms, num_boxes = [], [], []
    for whole_frame in frames:
        frame = whole_frame.rows_with(min_points, config.max_range_m)
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
        box_of = np.where(size_m <= config.max_size_m, np.cumsum(size_m <= config.max_size_m), 0)
        near = np.hypot(*frame.truth.center_m[:, :2].T) < NEAR_M
        for row, label in enumerate(frame.truth.labels):
            ours = (found[row] >= 0, strict[row])
            rows.append((label, near[row], *ours, theirs[0][row] >= 0, theirs[1][row]))
            if found[row] >= 0 and box_of[found[row]] > 0:
                pick = np.array([box_of[found[row]] - 1])
                fits.append(_fit(label, boxes.rows(pick), frame.truth.rows(np.array([row]))))

    print(f"\n{name}: {len(frames)} scans, {np.mean(num_boxes):.0f} boxes a scan")
    labels = sorted({row[0] for row in rows})
    for label in labels:
        _print_hits(label, [row[2:] for row in rows if row[0] == label], peer is not None)
    summed = [row for row in rows if counted is None or row[0] in counted]
    what = "all" if counted is None else ", ".join(counted)
    _print_hits(what, [row[2:] for row in summed], peer is not None)
    near_rows = [row[2:] for row in summed if row[1]]
    _print_hits(f"{what} within {NEAR_M:.0f} m", near_rows, peer is not None)
    covered = _print_fits(fits)
    print(f"  ms: boxes and all {np.median(ours_ms):.1f}, worst {np.max(ours_ms):.1f}")
    if peer_ms:
        ratio = np.median(peer_ms) / np.median(ours_ms)
        print(f"  ms: Open3D without boxes {np.median(peer_ms):.1f}, {ratio:.1f} times ours")
    return covered


def _print_hits(what: str, rows: list[tuple[bool, bool, bool, bool]], peer: bool) -> None:
    if not rows:
        return
    hit, strict_hit, peer_hit, peer_strict = np.sum(rows, axis=0)
    line = f"  {what:11} {len(rows):3}: hit {hit:3}, strictly {strict_hit:3}"
    print(line + (f"; Open3D {peer_hit:3}, {peer_strict:3}" if peer else ""))


def _print_fits(fits: list[tuple[str, float, float, float, bool]]) -> list[bool]:
    for label in sorted({fit[0] for fit in fits}):
        of_label = [fit[1:] for fit in fits if fit[0] == label]
        error_m, yaw_deg, iou, _ = np.median(of_label, axis=0)
        covered = np.mean([fit[3] for fit in of_label])
        print(
            f"  {label:11} {len(of_label):3}, medians: centre {error_m:.2f} m, "
            f"yaw {yaw_deg:.1f} deg, IoU from above {iou:.2f}; "
            f"within the 90 % ellipse {covered:.2f}"
        )
    every = [fit[4] for fit in fits]
    if every:
        print(f"  within the 90 % ellipse, all together {np.mean(every):.2f}")
    return every


def _fit(label: str, box: Boxes3D, truth: Boxes3D) -> tuple[str, float, float, float, bool]:
    miss_m = (box.center_m - truth.center_m)[0, :2]
    turn = yaw_from_quat(box.quat_xyzw)[0] - yaw_from_quat(truth.quat_xyzw)[0]
    yaw_deg = abs(np.rad2deg((turn + np.pi / 2) % np.pi - np.pi / 2))
    likely = miss_m @ np.linalg.solve(box.covariance[0, :2, :2], miss_m) < LIKELY_90
    level = replace(truth, quat_xyzw=quat_from_yaw(yaw_from_quat(truth.quat_xyzw)))
    iou = iou_bev(box, level)[0, 0]
    return label, float(np.linalg.norm(miss_m)), float(yaw_deg), float(iou), bool(likely)


def measure_growth(cloud: PointCloud) -> None:
    """Time per point from half the points of a scan to many times as many."""
    random = np.random.default_rng(0)
    detector = LidarDetector(LidarDetectorConfig(), Journal())
    print("\ntime of larger clouds, copies of one scan shifted by up to 5 cm")
    for num in (60_000, 120_000, 250_000, 500_000, 1_000_000, 2_000_000):
        picked = random.permutation(np.resize(np.arange(len(cloud)), num))
        shift_m = random.uniform(-0.05, 0.05, (num, 3)).astype(np.float32)
        tiled = replace(cloud, xyz_m=cloud.xyz_m[picked] + shift_m, intensity=None)
        times = []
        for _ in range(3):
            start = time.process_time()
            detector.detect(tiled)
            times.append(time.process_time() - start)
        spent = min(times)
        print(f"  {num:9,} points: {1e3 * spent:6.1f} ms, {1e9 * spent / num:.0f} ns a point")


def measure_many(clouds: list[PointCloud], num: int) -> None:
    """Time and memory of many scans one after the other."""
    detector = LidarDetector(LidarDetectorConfig(), Journal())
    times = []
    for cloud in clouds:
        detector.detect(cloud)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for k in range(num):
        start = time.process_time()
        detector.detect(clouds[k % len(clouds)])
        times.append(1e3 * (time.process_time() - start))
    after_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    p50, p95 = np.percentile(times, [50, 95])
    print(f"\n{num} whole scans: median {p50:.1f} ms, 95 % within {p95:.1f} ms")
    print(f"  most memory used: {before_mb:.0f} MB before, {after_mb:.0f} MB after")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--scans", type=int, default=1000, help="for time and memory; 0 for none")
    arguments = parser.parse_args()
    data: Path = arguments.data
    whole = list(kitti_object(data))
    if arguments.scans:  # first, while the most memory used is our own
        measure_many([frame.cloud for frame in whole], arguments.scans)
    try:
        peer = open3d_clusters(0.2)
    except ImportError:
        print("Open3D is not installed: no comparison", file=sys.stderr)
        peer = None
    covered = evaluate("KITTI, whole scans", whole, peer, counted=COUNTED)
    drive = list(kitti_drive(data))
    covered += evaluate("KITTI drive 0005, camera view", drive, peer, counted=COUNTED)
    covered += evaluate("nuScenes", list(nuscenes(data)), peer, min_points=FEW_POINTS)
    evaluate("SUN RGB-D", list(sun_rgbd(data)), peer)
    try:
        covered += evaluate("Argoverse 2", list(argoverse(data)), peer, min_points=FEW_POINTS)
    except ImportError:
        print("pyarrow is not installed: no Argoverse 2", file=sys.stderr)
    share = f"{np.mean(covered):.3f} of {len(covered)} boxes"
    print(f"\nroads together: true centre within the 90 % ellipse: {share}")
    measure_growth(whole[0].cloud)


if __name__ == "__main__":
    main()
