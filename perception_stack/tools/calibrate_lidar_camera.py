"""``perception-stack calibrate lidar-camera``: place of a camera in a LiDAR, from boards."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.calibration.lidar_camera.boards import poses_of_corners
from perception_stack.calibration.lidar_camera.calibrate import calibrate_lidar_camera
from perception_stack.calibration.lidar_camera.figures import boards_section
from perception_stack.errors import ConfigError
from perception_stack.io.board_poses import read_board_poses
from perception_stack.tools.extrinsic_result import RESULT, add_initial, finish, initial_of, now

EXAMPLES = (
    """examples:
  perception-stack calibrate lidar-camera --poses poses.csv --board 0.61x0.85 --out rig.yaml
  perception-stack calibrate lidar-camera --poses poses.csv --board 0.6x0.6 --lidar velodyne
                                          --camera front_optical --out rig.yaml

--poses is poses.csv of cam_lidar_calibration: corners of a board in both sensors, millimetres, in
any order. --board is the size of the whole board in metres.

"""
    + RESULT
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--poses", type=Path, required=True, metavar="CSV", help="corners")
    parser.add_argument("--board", required=True, metavar="AxB", help="size in metres")
    parser.add_argument("--lidar", default="lidar", metavar="FRAME", help="name (default: lidar)")
    parser.add_argument(
        "--camera", default="camera", metavar="FRAME", help="optical frame (default: camera)"
    )
    add_initial(parser, required=False)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="extrinsics YAML")


def run(args: argparse.Namespace) -> int:
    """Calibrate and write."""
    size_m = _size_m(args.board)
    corners = read_board_poses(args.poses)
    frames = {"target": args.lidar, "source": args.camera}
    result = calibrate_lidar_camera(
        poses_of_corners(corners.camera_m, size_m),
        poses_of_corners(corners.lidar_m, size_m),
        size_m=size_m,
        names=corners.names,
        lidar=args.lidar,
        camera=args.camera,
        now=now(),
        initial=None if args.initial is None else initial_of(args.initial, **frames),
    )
    return finish(
        args.out,
        result.lidar_from_camera,
        result.covariance,
        result.grade,
        title=f"Place of {args.camera} in {args.lidar}",
        sections=[boards_section(result)],
    )


def _size_m(text: str) -> tuple[float, float]:
    try:
        one, other = (float(part) for part in text.split("x"))
    except ValueError as error:
        raise ConfigError(f"--board {text}: expected two sides such as 0.61x0.85") from error
    if not (0 < one < 5 and 0 < other < 5):
        raise ConfigError(f"--board {text}: sides are in metres, between 0 and 5")
    return one, other
