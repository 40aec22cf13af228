"""``perception-stack calibrate import``: extrinsics that other programs wrote."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.errors import CalibrationError, ConfigError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_files import Extrinsic, write_camera_info, write_extrinsics
from perception_stack.io.calibration_formats.autoware import load_autoware
from perception_stack.io.calibration_formats.easy_handeye2 import load_easy_handeye2
from perception_stack.io.calibration_formats.kalibr import load_camchain
from perception_stack.io.calibration_formats.static_tf import load_static_tf
from perception_stack.io.calibration_formats.urdf import load_urdf
from perception_stack.io.calibration_formats.visual_lidar import load_visual_lidar
from perception_stack.io.text_files import read_text
from perception_stack.tools.calibrate_export import FORMATS
from perception_stack.tools.console import say

_LISTS = {"autoware": load_autoware, "urdf": load_urdf, "static-tf": load_static_tf}

EXAMPLES = """examples:
  perception-stack calibrate import camchain.yaml --from kalibr --out rig.yaml
  perception-stack calibrate import calib.json --from visual-lidar --frames lidar camera
                                    --out rig.yaml
  perception-stack calibrate import robot.urdf --from urdf --out rig.yaml

A camchain also gives a camera_info file for each camera, beside the result.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("file", type=Path, metavar="FILE", help="what the other program wrote")
    parser.add_argument("--from", choices=FORMATS, required=True, dest="format", help="format")
    parser.add_argument(
        "--frames",
        nargs=2,
        metavar=("LIDAR", "CAMERA"),
        help="names of the frames, which visual-lidar does not hold",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="extrinsics YAML")


def run(args: argparse.Namespace) -> int:
    """Read and write."""
    text = read_text(args.file)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        transforms = _transforms(args, text)
    except CalibrationError as error:
        raise CalibrationError(f"'{args.file}': {error}") from error
    extrinsics = [
        Extrinsic(parent_from_child=one, provenance=f"{args.file.name} ({args.format})")
        for one in transforms
    ]
    write_extrinsics(args.out, extrinsics)
    for one in transforms:
        say(f"{one.target} <- {one.source}")
    say(f"written to {args.out}")
    return 0


def _transforms(args: argparse.Namespace, text: str) -> list[RigidTransform]:
    if args.format in _LISTS:
        return _LISTS[args.format](text)
    if args.format == "easy-handeye2":
        return [load_easy_handeye2(text)]
    if args.format == "visual-lidar":
        if args.frames is None:
            raise ConfigError("name --frames LIDAR CAMERA; the file has no names")
        lidar, camera = args.frames
        return [load_visual_lidar(text, lidar=lidar, camera=camera)]
    cameras, transforms = load_camchain(text)
    for camera in cameras:
        path = args.out.with_name(f"{camera.frame_id}.yaml")
        write_camera_info(path, camera, camera_name=camera.frame_id)
        say(f"{camera.frame_id}: {path}")
    return transforms
