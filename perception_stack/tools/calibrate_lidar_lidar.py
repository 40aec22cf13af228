"""``perception-stack calibrate lidar-lidar``: place of a LiDAR in another."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from perception_stack.calibration.lidar_lidar.calibrate import calibrate_lidar_lidar
from perception_stack.calibration.lidar_lidar.figures import clouds_section
from perception_stack.datatypes import FloatArray
from perception_stack.io.pcd import read_pcd
from perception_stack.tools.extrinsic_result import RESULT, add_initial, finish, initial_of
from perception_stack.tools.grades import now

EXAMPLES = (
    """examples:
  perception-stack calibrate lidar-lidar --source left.pcd --target top.pcd
                                         --initial 0 0.6 -0.35 0 0 90 --out left.yaml
  perception-stack calibrate lidar-lidar --source l1.pcd l2.pcd --target t1.pcd t2.pcd
                                         --initial 0 0 0 0 0 0 --out left.yaml

Scans of one moment each, standing still; several of one LiDAR are laid upon each other. The target
is the LiDAR with more beams. --initial may be a metre and some ten degrees off.

"""
    + RESULT
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    for name in ("source", "target"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, metavar="PCD")
        parser.add_argument(
            f"--{name}-frame", default=f"{name}_lidar", metavar="FRAME", help="its name"
        )
    add_initial(parser, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="extrinsics YAML")


def run(args: argparse.Namespace) -> int:
    """Calibrate and write."""
    source, target = read_clouds(args.source), read_clouds(args.target)
    initial = initial_of(args.initial, target=args.target_frame, source=args.source_frame)
    result = calibrate_lidar_lidar(source, target, initial=initial, now=now())
    return finish(
        args.out,
        result.target_from_source,
        result.covariance,
        result.grade,
        title=f"Place of {args.source_frame} in {args.target_frame}",
        sections=[clouds_section(source, target, initial, result.target_from_source)],
    )


def read_clouds(paths: list[Path]) -> FloatArray:
    """The points of some files together, float64 [N, 3]."""
    clouds = [read_pcd(path, frame_id="", stamp_ns=0).xyz_m for path in paths]
    return np.concatenate(clouds).astype(np.float64)
