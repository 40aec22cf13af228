"""``perception-stack calibrate lidar-camera``: place of a camera in a LiDAR, from boards."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_stack.calibration.grading.overlay import Shot, overlay_section
from perception_stack.calibration.lidar_camera.board_in_cloud import find_board
from perception_stack.calibration.lidar_camera.board_in_image import board_in_image
from perception_stack.calibration.lidar_camera.boards import BoardPoses, joined, poses_of_corners
from perception_stack.calibration.lidar_camera.calibrate import calibrate_lidar_camera
from perception_stack.calibration.lidar_camera.figures import boards_section
from perception_stack.errors import CalibrationError, ConfigError
from perception_stack.geometry.board import Board
from perception_stack.geometry.camera import CameraModel
from perception_stack.io.board_poses import read_board_poses
from perception_stack.io.calibration_files import read_camera_info
from perception_stack.io.image_files import read_gray_image
from perception_stack.io.pcd import read_pcd
from perception_stack.tools.console import say
from perception_stack.tools.extrinsic_result import RESULT, add_initial, finish, initial_of
from perception_stack.tools.grades import now

EXAMPLES = (
    """examples:
  perception-stack calibrate lidar-camera --poses poses.csv --board 0.61x0.85 --out rig.yaml
  perception-stack calibrate lidar-camera --clouds 1.pcd 2.pcd 3.pcd --images 1.png 2.png 3.png
                                          --camera-info front.yaml --pattern chessboard:7x5:0.095
                                          --board 0.61x0.85 --lidar velodyne --out rig.yaml

--poses is poses.csv of cam_lidar_calibration: corners of a board in both sensors, millimetres, in
any order. Or clouds and images of the same moments, with a pattern in the middle of a board
that stands free, best hung by a corner. --board is the size of the whole board in metres.

"""
    + RESULT
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--poses", type=Path, metavar="CSV", help="corners in both sensors")
    parser.add_argument("--clouds", type=Path, nargs="+", default=(), metavar="PCD")
    parser.add_argument("--images", type=Path, nargs="+", default=(), metavar="FILE")
    parser.add_argument("--camera-info", type=Path, metavar="FILE", help="of the images")
    parser.add_argument("--pattern", help="printed in the middle, as for calibrate camera")
    parser.add_argument("--board", required=True, metavar="AxB", help="size in metres")
    parser.add_argument("--lidar", default="lidar", metavar="FRAME", help="name (default: lidar)")
    parser.add_argument(
        "--camera", metavar="FRAME", help="optical frame (default: of --camera-info, or camera)"
    )
    add_initial(parser, required=False)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="extrinsics YAML")


def run(args: argparse.Namespace) -> int:
    """Calibrate and write."""
    size_m = _size_m(args.board)
    if (args.poses is None) == (not args.clouds):
        raise ConfigError("name either --poses, or --clouds and --images")
    seen = _of_corners(args.poses, size_m) if args.poses else _of_scans(args, size_m)
    camera = args.camera or seen.camera
    frames = {"target": args.lidar, "source": camera}
    result = calibrate_lidar_camera(
        seen.in_camera,
        seen.in_lidar,
        size_m=size_m,
        names=seen.names,
        lidar=args.lidar,
        camera=camera,
        now=now(),
        initial=None if args.initial is None else initial_of(args.initial, **frames),
    )
    sections = [boards_section(result)]
    if seen.example is not None:
        named = {"after": result.lidar_from_camera}
        if args.initial is not None:
            named = {"before": initial_of(args.initial, **frames), **named}
        shot, of_camera = seen.example
        poses = {name: one.inverse() for name, one in named.items()}
        sections.append(overlay_section([shot], of_camera, poses))
    for text in seen.left_out:
        say(f"left out {text}")
    return finish(
        args.out,
        result.lidar_from_camera,
        result.covariance,
        result.grade,
        title=f"Place of {camera} in {args.lidar}",
        sections=sections,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """Boards of both sensors, why some were not found, and one image with its cloud."""

    in_camera: BoardPoses
    in_lidar: BoardPoses
    names: tuple[str, ...]
    camera: str = "camera"
    left_out: tuple[str, ...] = ()
    example: tuple[Shot, CameraModel] | None = None


def _of_corners(path: Path, size_m: tuple[float, float]) -> _Seen:
    corners = read_board_poses(path)
    return _Seen(
        in_camera=poses_of_corners(corners.camera_m, size_m),
        in_lidar=poses_of_corners(corners.lidar_m, size_m),
        names=corners.names,
    )


def _of_scans(args: argparse.Namespace, size_m: tuple[float, float]) -> _Seen:
    if args.camera_info is None or args.pattern is None:
        raise ConfigError("clouds and images need --camera-info and --pattern")
    if len(args.clouds) != len(args.images):
        text = f"{len(args.clouds)} clouds and {len(args.images)} images"
        raise ConfigError(f"{text}: there must be one image for each cloud, in the same order")
    camera, board = read_camera_info(args.camera_info), Board.parse(args.pattern)
    found, names, left_out = [], [], []
    for cloud_path, image_path in zip(args.clouds, args.images, strict=True):
        gray = read_gray_image(image_path)
        cloud = read_pcd(cloud_path, frame_id=args.lidar, stamp_ns=0)
        try:
            in_camera = board_in_image(gray, camera, board)
            in_lidar = find_board(cloud.xyz_m.astype(np.float64), size_m, ring=cloud.ring)
        except CalibrationError as error:
            left_out.append(f"{cloud_path.name} and {image_path.name}: {error}")
            continue
        found.append((in_camera, in_lidar))
        shot = Shot(
            name=image_path.stem, bgr=np.repeat(gray[..., None], 3, axis=2), points_m=cloud.xyz_m
        )
        names.append(cloud_path.stem)
    if not found:
        raise CalibrationError("; ".join(left_out))
    return _Seen(
        in_camera=joined([one for one, _ in found]),
        in_lidar=joined([one for _, one in found]),
        names=tuple(names),
        camera=camera.frame_id,
        left_out=tuple(left_out),
        example=(shot, camera),
    )


def _size_m(text: str) -> tuple[float, float]:
    try:
        one, other = (float(part) for part in text.split("x"))
    except ValueError as error:
        raise ConfigError(f"--board {text}: expected two sides such as 0.61x0.85") from error
    if not (0 < one < 5 and 0 < other < 5):
        raise ConfigError(f"--board {text}: sides are in metres, between 0 and 5")
    return one, other
