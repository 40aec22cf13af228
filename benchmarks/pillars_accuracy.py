"""How good a network on pillars is: simulated streets nobody trained on, and KITTI's frames.

    python benchmarks/pillars_accuracy.py --streets 30 --kitti DIR/training

Average precision of 3-D boxes at an overlap of 0.5 over 40 recall points, objects with ten points
or more, with 95 % limits from the bootstrap over streets or frames; and the errors of the boxes,
for a manifest. Published networks are asked on KITTI alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from perception_stack import networks
from perception_stack.evaluation.confidence import ap_intervals
from perception_stack.networks.contract import Options
from perception_stack.pillars.detector import contract_of
from perception_stack.pillars.manifest import load_manifest
from perception_stack.pillars.pillarize import pillarize
from perception_stack.pillars.reading import Found, MapReader
from perception_stack.training.pillars.card import measured_errors
from perception_stack.training.pillars.judging import Judged, judge
from perception_stack.training.pillars.scans import Scan, kitti, simulated

MODEL = Path(__file__).resolve().parents[1] / "config" / "models" / "centerpoint_sim.yaml"
FIRST_SEED = 600_000
LEAST_SCORE = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--streets", type=int, default=30)
    parser.add_argument("--kitti", type=Path, help="folder with velodyne, calib and label_2")
    args = parser.parse_args()
    manifest = load_manifest(args.model)
    reader = MapReader(manifest)
    options = Options(device="cpu", num_threads=1, spin_us=0, engine_dir=Path(), fp16=False)
    model = networks.load("auto", contract_of(manifest, reader), options)

    def find(scan: Scan) -> Found:
        none = np.zeros(len(scan.xyz_m), dtype=np.float32)
        features, cells = pillarize(scan.xyz_m, none, manifest.grid)
        return reader.read(
            model.run({"features": features, "cells": cells}), threshold=LEAST_SCORE
        )

    def tell(what: str, scans: Iterable[Scan], overlap: float) -> Judged:
        judged = judge(
            scans, find, manifest.classes, reach_m=manifest.grid.range_m[3] - 1, iou=overlap
        )
        print(f"\n{what}, overlap {overlap}")
        intervals = ap_intervals(judged.hits, groups=judged.groups)
        for name, interval in intervals.items():
            frames = judged.hits.get(name, ())
            num = sum(one.num_truth for one in frames)
            sure = [one.score >= manifest.reading.score_threshold for one in frames]
            found = sum(int(one.sum()) for one in sure)
            right = sum(int((one & a.hit).sum()) for one, a in zip(sure, frames, strict=True))
            print(f"  {name:11} {interval}  of {num}; at the threshold {right} right of {found}")
        return judged

    if args.streets:
        scans = list(simulated(FIRST_SEED, args.streets, per_street=2))
        judged = tell("simulated streets", scans, 0.5)
        for name, errors in measured_errors(judged.errors).items():
            print(f"  errors {name}: {errors}")
    if args.kitti:
        frames = sorted(path.stem for path in (args.kitti / "velodyne").glob("*.bin"))
        scans = list(kitti(args.kitti, frames))
        for overlap in (0.5, 0.3):
            tell(f"KITTI, {len(frames)} frames", scans, overlap)


if __name__ == "__main__":
    main()
