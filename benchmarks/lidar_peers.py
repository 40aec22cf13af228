"""The LiDAR detector against PCL and Patchwork++ on whole KITTI scans, in turn on one core.

PCL's chain is built from ``benchmarks/peers/pcl_clusters.cpp`` (its first lines say how);
Patchwork++ is the package ``pypatchworkpp``. Neither fits boxes; ours does::

    OMP_NUM_THREADS=1 python benchmarks/lidar_peers.py --data ../shared/data --pcl ./pcl_clusters

Times are those of the processor, the best of three for each scan. For hits see ``lidar.py``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from lidar import COUNTED, MIN_POINTS, Clusters, hits
from lidar_frames import kitti_object
from numpy.typing import NDArray

from perception_stack.datatypes import PointCloud
from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector

REPEATS = 3
Chain = Callable[[PointCloud], tuple[float, Clusters]]


def ours() -> Chain:
    """Ground, clusters and boxes."""
    detector = LidarDetector(LidarDetectorConfig(), Journal())
    detector.warm_up()

    def run(cloud: PointCloud) -> tuple[float, Clusters]:
        spent_ms = _best_ms(lambda: detector.detect(cloud))
        segmentation = detector.segment(cloud)
        assert segmentation is not None
        return spent_ms, (cloud.xyz_m.astype(np.float64), segmentation.clusters.of_point)

    return run


def pcl(binary: Path, ground: str) -> Chain:
    """Voxel grid of 0.2 m, with or without a RANSAC plane, Euclidean clusters of 0.5 m."""

    def run(cloud: PointCloud) -> tuple[float, Clusters]:
        with tempfile.TemporaryDirectory() as folder:
            scan, out = Path(folder) / "scan.bin", Path(folder) / "out.bin"
            np.pad(cloud.xyz_m, ((0, 0), (0, 1))).astype("<f4").tofile(scan)
            command = [str(binary), "0.2", ground, str(scan), str(out)]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found = np.fromfile(out, dtype="<f4").reshape(-1, 4)
        return float(said), (found[:, :3].astype(np.float64), found[:, 3].astype(np.intp))

    return run


def patchwork_then_pcl(binary: Path) -> Chain:
    """Patchwork++ for the ground, PCL for the rest."""
    import pypatchworkpp

    parameters = pypatchworkpp.Parameters()
    parameters.verbose = False
    rest_of = pcl(binary, "none")

    def run(cloud: PointCloud) -> tuple[float, Clusters]:
        filter_ = pypatchworkpp.patchworkpp(parameters)
        points = np.pad(cloud.xyz_m, ((0, 0), (0, 1)))
        ground_ms = _best_ms(lambda: filter_.estimateGround(points))
        rest_m = np.ascontiguousarray(filter_.getNonground()[:, :3], dtype=np.float32)
        rest = PointCloud(frame_id=cloud.frame_id, stamp_ns=cloud.stamp_ns, xyz_m=rest_m)
        rest_ms, clusters = rest_of(rest)
        return ground_ms + rest_ms, clusters

    return run


def _best_ms(call: Callable[[], object]) -> float:
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        spent.append(1e3 * (time.process_time() - start))
    return min(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--pcl", type=Path, required=True, help="the built pcl_clusters")
    arguments = parser.parse_args()
    chains = {"ours, with boxes": ours(), "PCL": pcl(arguments.pcl, "plane")}
    try:
        chains["Patchwork++ then PCL"] = patchwork_then_pcl(arguments.pcl)
    except ImportError:
        print("pypatchworkpp is not installed: PCL alone", file=sys.stderr)
    spent_ms: dict[str, list[float]] = {name: [] for name in chains}
    found: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in chains}
    for whole in kitti_object(arguments.data):
        frame = whole.rows_with(MIN_POINTS, LidarDetectorConfig().max_range_m)
        counted = np.isin(frame.truth.labels, COUNTED)
        for name, chain in chains.items():
            took_ms, clusters = chain(frame.cloud)
            row, strict = hits(frame, clusters)
            spent_ms[name].append(took_ms)
            found[name].append(np.stack([row >= 0, strict], axis=1)[counted])
    base_ms = np.median(spent_ms["ours, with boxes"])
    for name in chains:
        took_ms = np.median(spent_ms[name])
        rows = np.concatenate(found[name])
        hit, strict = rows.sum(axis=0)
        print(
            f"{name:22} {took_ms:6.1f} ms, {took_ms / base_ms:4.1f} times ours; "
            f"hit {hit} of {len(rows)}, strictly {strict}"
        )


if __name__ == "__main__":
    main()
