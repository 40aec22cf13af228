"""Ground on simulated streets with traffic over ramps, bridges, dips and crests, by exact truth.

LiDARs of 16, 32, 64 and 128 beams, 0.4 to 2 m above the road. The seeds from 0 to 2, 10
and 20 to 23 were looked at during development, so others are measured::

    OMP_NUM_THREADS=1 python benchmarks/ground.py
    OMP_NUM_THREADS=1 python benchmarks/ground.py --by-relief --peer

*Found* is the share of the true ground's points (within 0.1 m) that are called ground, *lost* that
of the objects' points more than 0.3 m above the ground that are called so too. *False* are
clusters of mostly true ground. An object with 10 points or more within 70 m is *missed* when no
cluster holds to 60 % of its points. The peer is Patchwork++ (package ``pypatchworkpp``), which is
told the mounting height and makes no clusters.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from perception_stack.datatypes import FloatArray, PointCloud
from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.simulation.course import Course, rolling, slopes
from perception_stack.simulation.lidar import hdl64_elevations_rad
from perception_stack.simulation.road import ROAD_CLASSES
from perception_stack.simulation.terrain import TerrainScan, scan_street

RADIUS_M = 220.0
COURSES = {
    "level": Course(radius_m=RADIUS_M, relief=rolling),
    "banked by 8 %": Course(radius_m=RADIUS_M, relief=rolling, bank=0.08),
    "ramp of 5 %": Course(radius_m=RADIUS_M, relief=slopes((20, 0.05))),
    "ramp of 10 %": Course(radius_m=RADIUS_M, relief=slopes((15, 0.10))),
    "ramp of 10 %, far": Course(radius_m=RADIUS_M, relief=slopes((32, 0.10))),
    "ramp of 15 %": Course(radius_m=RADIUS_M, relief=slopes((18, 0.15))),
    "ramp of 20 %": Course(radius_m=RADIUS_M, relief=slopes((22, 0.20), (60, 0))),
    "bridge": Course(radius_m=RADIUS_M, relief=slopes((12, 0.12), (42, 0), (62, -0.12))),
    "dip": Course(radius_m=RADIUS_M, relief=slopes((8, -0.10), (30, 0.10))),
    "descent of 10 %": Course(radius_m=RADIUS_M, relief=slopes((12, -0.10))),
    "crest": Course(radius_m=RADIUS_M, relief=slopes((-60, 0.10), (14, -0.08))),
}
BEAMS = {
    16: np.deg2rad(np.linspace(15, -15, 16)),
    32: np.deg2rad(np.linspace(10.67, -30.67, 32)),
    64: hdl64_elevations_rad(),
    128: np.deg2rad(np.linspace(22.5, -22.5, 128)),
}
HEIGHTS_M = {16: (0.4, 1.0, 1.73), 32: (1.0, 1.84), 64: (1.73,), 128: (2.0,)}
NUM_AZIMUTHS = 900
ON_GROUND_M, ABOVE_M = 0.1, 0.3
MIN_POINTS, FARTHEST_M, SHARE = 10, 70.0, 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scan, and of what it is."""

    relief: str
    beams: int
    height_m: float
    scan: TerrainScan


def cases(seeds: range) -> Iterator[Case]:
    todo = [
        (relief, beams, height_m, seed)
        for relief in COURSES
        for beams, heights_m in HEIGHTS_M.items()
        for height_m in heights_m
        for seed in seeds
    ]
    for relief, beams, height_m, seed in tqdm(todo, unit="scan"):
        scan = scan_street(
            COURSES[relief],
            BEAMS[beams],
            seed=seed,
            height_m=height_m,
            classes=ROAD_CLASSES,
            num_azimuths=NUM_AZIMUTHS,
        )
        yield Case(relief=relief, beams=beams, height_m=height_m, scan=scan)


def ground_counts(
    scan: TerrainScan, used: NDArray[np.bool_], called: NDArray[np.bool_]
) -> Counter[str]:
    """How well points are called ground, of those used."""
    objects, above_m = scan.object_of_point >= 0, scan.above_ground_m
    true = used & ~objects & (np.abs(above_m) < ON_GROUND_M)
    high = used & objects & (above_m > ABOVE_M)
    return Counter(
        ground=int(true.sum()),
        found=int((true & called).sum()),
        high=int(high.sum()),
        lost=int((high & called).sum()),
    )


def judge(scan: TerrainScan, detector: LidarDetector, clearance_m: float) -> Counter[str]:
    """What the detector makes of one scan."""
    segmentation = detector.segment(scan.cloud)
    if segmentation is None:
        return Counter()
    column, of_point = segmentation.columns.of_point, segmentation.clusters.of_point
    used = column >= 0
    height_m: FloatArray = scan.cloud.xyz_m[:, 2] - segmentation.ground_m[column]
    counts = ground_counts(scan, used, height_m < clearance_m)
    num = segmentation.clusters.num
    size = np.bincount(of_point[of_point >= 0], minlength=num)
    bare = (of_point >= 0) & (scan.object_of_point < 0)
    bare &= np.abs(scan.above_ground_m) < ON_GROUND_M
    false = np.bincount(of_point[bare], minlength=num) > size / 2
    shared = np.zeros((len(scan.truth), num), dtype=np.intp)
    both = (scan.object_of_point >= 0) & (of_point >= 0)
    np.add.at(shared, (scan.object_of_point[both], of_point[both]), 1)
    hit = ((shared >= SHARE * size) & (shared > 0)).any(axis=1)
    points = scan.object_of_point[used & (scan.object_of_point >= 0)]
    asked = np.bincount(points, minlength=len(scan.truth)) >= MIN_POINTS
    asked &= np.hypot(*scan.truth.center_m[:, :2].T) < FARTHEST_M
    objects = Counter(
        scans=1,
        false=int(false.sum()),
        objects=int(asked.sum()),
        missed=int((asked & ~hit).sum()),
    )
    return counts + objects


def patchwork() -> Callable[[PointCloud, float], NDArray[np.bool_]]:
    """Patchwork++ with its own parameters but for the mounting height."""
    import pypatchworkpp

    def run(cloud: PointCloud, height_m: float) -> NDArray[np.bool_]:
        parameters = pypatchworkpp.Parameters()
        parameters.sensor_height = height_m
        parameters.verbose = False
        peer = pypatchworkpp.patchworkpp(parameters)
        peer.estimateGround(np.pad(cloud.xyz_m, ((0, 0), (0, 1))))
        called = np.zeros(len(cloud), dtype=np.bool_)
        called[np.asarray(peer.getGroundIndices(), dtype=np.intp)] = True
        return called

    return run


def show(name: str, counts: Counter[str], peer: Counter[str]) -> None:
    line = (
        f"{name:22} found {100 * counts['found'] / counts['ground']:6.2f} %, "
        f"lost {100 * counts['lost'] / counts['high']:5.2f} %, "
        f"false {counts['false'] / counts['scans']:5.2f} a scan, "
        f"missed {counts['missed']} of {counts['objects']}"
    )
    if peer:
        found, lost = peer["found"] / peer["ground"], peer["lost"] / peer["high"]
        line += f"; Patchwork++ found {100 * found:6.2f} %, lost {100 * lost:5.2f} %"
    print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first-seed", type=int, default=11, help="of the streets")
    parser.add_argument("--seeds", type=int, default=2, help="streets for each relief and LiDAR")
    parser.add_argument("--by-relief", action="store_true", help="a line for each relief, too")
    parser.add_argument("--peer", action="store_true", help="compare with Patchwork++")
    arguments = parser.parse_args()
    config = LidarDetectorConfig()
    detector = LidarDetector(config, Journal())
    run_peer = patchwork() if arguments.peer else None
    ours: defaultdict[str, Counter[str]] = defaultdict(Counter)
    theirs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for case in cases(range(arguments.first_seed, arguments.first_seed + arguments.seeds)):
        names = [f"{case.beams} beams", "all"] + [case.relief] * arguments.by_relief
        counts = judge(case.scan, detector, config.ground_clearance_m)
        for name in names:
            ours[name] += counts
        if run_peer is None:
            continue
        called = run_peer(case.scan.cloud, case.height_m)
        used = np.hypot(*case.scan.cloud.xyz_m[:, :2].T) < config.max_range_m
        counts = ground_counts(case.scan, used, called)
        for name in names:
            theirs[name] += counts
    for name, counts in ours.items():
        show(name, counts, theirs[name])


if __name__ == "__main__":
    main()
