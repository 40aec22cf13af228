"""What is done with scans before and beside the detector: how fast, and how often it is right.

Motion correction against SciPy (a slerp and a rotation per point) on the same core, and the
occupancy grid on the whole KITTI scans of the data folder, judged by beams it has not seen::

    OMP_NUM_THREADS=1 python benchmarks/scans.py --data ../shared/data

Every second row of beams is withheld. A cell that the others call free is wrong when a withheld
beam met something standing there; most such cells touch an occupied one, so it is also said how
many do not. Beside it the rule of most costmaps, by which every beam frees all cells on its way.
Times are those of the processor.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import PointCloud
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat, quat_from_yaw
from perception_stack.io.kitti.scans import read_scan
from perception_stack.journal import Journal
from perception_stack.lidar.clustering import NO_CLUSTER
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.deskew import SensorMotion, deskew, pose_stamps_ns
from perception_stack.lidar.detector import LidarDetector, Segmentation
from perception_stack.lidar.occupancy import FREE, OCCUPIED, OccupancyGrid, occupancy_grid
from perception_stack.lidar.self_filter import outside_robot

LEVEL = RigidTransform(
    target="level", source="velodyne", rotation=np.eye(3), translation_m=np.zeros(3)
)
ROW_RAD = np.deg2rad(0.45)  # about the mean step between the beams of an HDL-64E


def median_ms(run: Callable[[], object], *, repeats: int = 30) -> float:
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(1e3 * (time.process_time() - start))
    return float(np.median(times))


def compare_deskew(num: int) -> None:
    """10 m/s and 1 rad/s during a tenth of a second."""
    from scipy.spatial.transform import Rotation, Slerp

    rng = np.random.default_rng(0)
    offset_s = np.linspace(0, 0.1, num).reshape(-1, 8).T.ravel()  # as several packets at once
    cloud = PointCloud(
        frame_id="velodyne",
        stamp_ns=0,
        xyz_m=rng.normal(0, 20, (num, 3)).astype(np.float32),
        time_offset_s=offset_s.astype(np.float32),
    )
    stamps_ns = pose_stamps_ns(cloud)
    yaw_rad = stamps_ns * 1e-9
    shift_m = np.outer(stamps_ns * 1e-9, [10.0, 0, 0])
    poses = tuple(
        RigidTransform(
            target="velodyne", source="velodyne", rotation=rotation, translation_m=translation_m
        )
        for rotation, translation_m in zip(
            matrix_from_quat(quat_from_yaw(yaw_rad)), shift_m, strict=True
        )
    )
    motion = SensorMotion(stamps_ns=stamps_ns, target_from_sensor=poses)

    def peer() -> NDArray[np.float64]:
        turns = Slerp(stamps_ns * 1e-9, Rotation.from_matrix([one.rotation for one in poses]))
        shifts = [np.interp(offset_s, stamps_ns * 1e-9, shift_m[:, k]) for k in range(3)]
        return turns(offset_s).apply(cloud.xyz_m) + np.stack(shifts, axis=1)

    apart_m = np.abs(peer() - deskew(cloud, motion, stamp_ns=0).xyz_m).max()
    ours_ms = median_ms(lambda: deskew(cloud, motion, stamp_ns=0))
    peer_ms = median_ms(peer, repeats=5)
    print(
        f"motion of {num} points: {ours_ms:.1f} ms; SciPy {peer_ms:.1f}, "
        f"{peer_ms / ours_ms:.0f} times ours; {1e3 * apart_m:.2f} mm apart"
    )
    box_m = np.array([[-2.0, -1, -2, 2, 1, 0.5]])
    robot_ms = median_ms(lambda: outside_robot(cloud, box_m, robot_from_sensor=LEVEL))
    print(f"robot's box of {num} points: {robot_ms:.1f} ms")


def free_by_every_beam(segmentation: Segmentation, config: LidarDetectorConfig) -> OccupancyGrid:
    """The same grid by the rule of costmaps: as if every beam passed along the ground."""
    columns = segmentation.columns
    low = replace(columns, lowest_m=segmentation.ground_m)
    everywhere = replace(config, grid_free_m=5.0)
    return grid_of(replace(segmentation, columns=low), everywhere)


def grid_of(segmentation: Segmentation, config: LidarDetectorConfig) -> OccupancyGrid:
    return occupancy_grid(
        segmentation.columns,
        segmentation.ground_m,
        segmentation.clusters.of_point,
        config,
        level_from_sensor=LEVEL,
        stamp_ns=0,
    )


def judge_grids(paths: list[Path]) -> None:
    from scipy.ndimage import binary_dilation

    config = LidarDetectorConfig()
    detector = LidarDetector(config, Journal())
    times_ms = []
    counts = {"ours": np.zeros(3), "every beam": np.zeros(3)}
    for path in paths:
        cloud = read_scan(path, stamp_ns=0)
        whole = detector.segment(cloud)
        if whole is None:
            continue
        times_ms.append(median_ms(lambda whole=whole: grid_of(whole, config), repeats=5))
        x, y, z = cloud.xyz_m.astype(np.float64).T
        row = np.floor(np.arctan2(z, np.hypot(x, y)) / ROW_RAD).astype(int)
        seen = detector.segment(cloud.rows(row % 2 == 0))
        if seen is None:
            continue
        # what stands is told from all beams, as the best answer there is
        standing = (whole.clusters.of_point >= NO_CLUSTER) & (row % 2 == 1)
        for name, grid in (
            ("ours", grid_of(seen, config)),
            ("every beam", free_by_every_beam(seen, config)),
        ):
            cell = np.floor((cloud.xyz_m[standing, :2] - grid.origin_xy_m) / grid.cell_m)
            inside = ((cell >= 0) & (cell < grid.cells.shape[0])).all(axis=1)
            met = np.zeros(grid.cells.shape, dtype=np.bool_)
            column, line = cell[inside].astype(int).T
            met[line, column] = True
            free = grid.cells == FREE
            wrong = free & met
            around = binary_dilation(grid.cells == OCCUPIED, np.ones((3, 3)))
            counts[name] += [free.sum(), wrong.sum(), (wrong & ~around).sum()]
    print(f"occupancy grid of {len(paths)} scans: {np.median(times_ms):.1f} ms")
    for name, (num_free, num_wrong, num_apart) in counts.items():
        print(
            f"  {name}: {num_free / len(paths):.0f} free cells a scan, of 1000 are wrong "
            f"{1e3 * num_wrong / num_free:.1f}, not beside an occupied one "
            f"{1e3 * num_apart / num_free:.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    arguments = parser.parse_args()
    compare_deskew(120_000)
    folder = arguments.data / "kitti_object" / "training" / "velodyne"
    judge_grids(sorted(folder.glob("*.bin")))


if __name__ == "__main__":
    main()
