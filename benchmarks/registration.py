"""Two consecutive KITTI scans laid on each other: ours beside small_gicp, one thread each.

    pip install small_gicp
    OMP_NUM_THREADS=1 python benchmarks/registration.py --data ../shared/data

Ours is what calibrates two LiDARs: flat patches, and many starts about a rough guess, so it does
more than it has to here. Both start from no motion at all. Times are those of the processor,
loading left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from perception_stack.calibration.lidar_lidar.register import register
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.kitti.scans import read_scan

EDGE_M, VOXEL_M = 0.5, 0.25
NUM_SCANS, REPEATS = 3, 2


def scans(folder: Path) -> list[FloatArray]:
    """The first scans of the drive, cropped to the camera's view."""
    found = []
    for path in sorted((folder / "velodyne_fov").glob("*.bin"))[:NUM_SCANS]:
        xyz_m = read_scan(path, stamp_ns=0).xyz_m.astype(np.float64)
        found.append(xyz_m[np.isfinite(xyz_m).all(axis=1)])
    return found


def ours(source_m: FloatArray, target_m: FloatArray) -> FloatArray:
    """Target from source, float64 [4, 4]."""
    start = RigidTransform(
        target="target", source="source", rotation=np.eye(3), translation_m=np.zeros(3)
    )
    return register(source_m, target_m, initial=start, edge_m=EDGE_M)[0].matrix


def small_gicp(kind: str) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """The same by small_gicp."""

    def align(source_m: FloatArray, target_m: FloatArray) -> FloatArray:
        import small_gicp as peer

        found = peer.align(
            target_m,
            source_m,
            registration_type=kind,
            downsampling_resolution=VOXEL_M,
            num_threads=1,
        )
        return np.asarray(found.T_target_source)

    return align


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    args = parser.parse_args()
    clouds = scans(args.data / "kitti_drive_0005_seq_0000")
    methods = {"ours": ours} | {
        f"small_gicp {kind}": small_gicp(kind) for kind in ("GICP", "VGICP", "PLANE_ICP")
    }
    report: dict[str, Any] = {}
    for number, (target_m, source_m) in enumerate(pairwise(clouds)):
        poses: dict[str, FloatArray] = {}
        for name, method in methods.items():
            seconds = []
            for _ in range(REPEATS):
                start = time.process_time()
                poses[name] = method(source_m, target_m)
                seconds.append(time.process_time() - start)
            away = poses[name] @ np.linalg.inv(poses["ours"])
            report[f"{number} {name}"] = {
                "s": round(min(seconds), 3),
                "shift_m": poses[name][:3, 3].round(3).tolist(),
                "mm_from_ours": round(1000 * float(np.linalg.norm(away[:3, 3])), 1),
            }
    json.dump(report, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
