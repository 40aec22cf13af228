"""``perception-stack calibrate lidar-base``: height, roll and pitch of a LiDAR."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.calibration.lidar_base.calibrate import calibrate_lidar_base
from perception_stack.calibration.lidar_base.figures import ground_section
from perception_stack.tools.calibrate_lidar_lidar import read_clouds
from perception_stack.tools.extrinsic_result import RESULT, add_initial, finish, initial_of
from perception_stack.tools.grades import now

EXAMPLES = (
    """examples:
  perception-stack calibrate lidar-base --scan scan.pcd --initial 0.9 0 1.8 0 0 0 --out lidar.yaml

The vehicle stands on flat ground. x, y and yaw cannot be seen there and are kept as given.

"""
    + RESULT
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--scan", type=Path, nargs="+", required=True, metavar="PCD")
    parser.add_argument("--lidar", default="lidar", metavar="FRAME", help="name (default: lidar)")
    parser.add_argument(
        "--base", default="base_link", metavar="FRAME", help="name (default: base_link)"
    )
    parser.add_argument(
        "--ground-z", type=float, default=0.0, metavar="M", help="height of the ground in the base"
    )
    add_initial(parser, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="extrinsics YAML")


def run(args: argparse.Namespace) -> int:
    """Calibrate and write."""
    initial = initial_of(args.initial, target=args.base, source=args.lidar)
    result = calibrate_lidar_base(
        read_clouds(args.scan), initial=initial, ground_z_m=args.ground_z, now=now()
    )
    return finish(
        args.out,
        result.base_from_lidar,
        result.covariance,
        result.grade,
        title=f"Place of {args.lidar} in {args.base}",
        sections=[ground_section(result, initial, ground_z_m=args.ground_z)],
    )
