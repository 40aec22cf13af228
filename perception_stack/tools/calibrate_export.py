"""``perception-stack calibrate export``: extrinsics for other programs."""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from pathlib import Path

from perception_stack.errors import ConfigError
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_files import read_camera_info, read_extrinsics
from perception_stack.io.calibration_formats.autoware import dump_autoware
from perception_stack.io.calibration_formats.easy_handeye2 import dump_easy_handeye2
from perception_stack.io.calibration_formats.kalibr import dump_camchain
from perception_stack.io.calibration_formats.static_tf import dump_static_tf
from perception_stack.io.calibration_formats.urdf import dump_urdf
from perception_stack.io.calibration_formats.visual_lidar import dump_visual_lidar
from perception_stack.tools.console import say

_LISTS = {"autoware": dump_autoware, "urdf": dump_urdf, "static-tf": dump_static_tf}
FORMATS = (*_LISTS, "kalibr", "visual-lidar", "easy-handeye2")

EXAMPLES = """examples:
  perception-stack calibrate export rig.yaml --to static-tf
  perception-stack calibrate export rig.yaml --to autoware --out sensor_kit_calibration.yaml
  perception-stack calibrate export rig.yaml --to visual-lidar --frames lidar camera
                                    --out calib.json
  perception-stack calibrate export rig.yaml --to kalibr --cameras left.yaml right.yaml
  perception-stack calibrate export hand_eye.yaml --to easy-handeye2 --setup in-hand
                                    --frames tool0 camera --other base_link --marker board

autoware: x y z roll pitch yaw of each child; urdf: fixed joints; static-tf: commands of tf2_ros;
kalibr: a camchain of cameras whose transforms rig.yaml connects; visual-lidar: calib.json of
direct_visual_lidar_calibration; easy-handeye2: a .calib file. Without --out the text is shown.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("extrinsics", type=Path, metavar="FILE", help="extrinsics YAML")
    parser.add_argument("--to", choices=FORMATS, required=True, help="format")
    parser.add_argument(
        "--frames",
        nargs=2,
        metavar=("TARGET", "SOURCE"),
        help="which transform (default: the one)",
    )
    parser.add_argument("--cameras", nargs="+", type=Path, default=(), help="camera_info files")
    parser.add_argument(
        "--setup", choices=("in-hand", "on-base"), default="in-hand", help="of easy-handeye2"
    )
    parser.add_argument("--other", default="base_link", help="the robot's other frame")
    parser.add_argument("--marker", default="target", help="frame of what the camera looked at")
    parser.add_argument("--out", type=Path, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Write or show."""
    text = _text(args)
    if args.out is None:
        sys.stdout.write(text)
        return 0
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")
    say(f"written to {args.out}")
    return 0


def _text(args: argparse.Namespace) -> str:
    transforms = [one.parent_from_child for one in read_extrinsics(args.extrinsics)]
    if args.to in _LISTS:
        return _LISTS[args.to](transforms)
    if args.to == "kalibr":
        return _camchain(args, transforms)
    if args.frames is None and len(transforms) != 1:
        raise ConfigError(f"'{args.extrinsics}' has {len(transforms)} transforms; name --frames")
    only = transforms[0]
    target, source = args.frames or (only.target, only.source)
    transform = _tree(transforms).lookup(target, source, 0)
    if args.to == "visual-lidar":
        return dump_visual_lidar(transform)
    return dump_easy_handeye2(
        transform,
        name=args.extrinsics.stem,
        in_hand=args.setup == "in-hand",
        other=args.other,
        marker=args.marker,
    )


def _camchain(args: argparse.Namespace, transforms: list[RigidTransform]) -> str:
    if not args.cameras:
        raise ConfigError("a camchain needs --cameras, their camera_info files in order")
    cameras = [read_camera_info(path) for path in args.cameras]
    tree = _tree(transforms)
    chain = [tree.lookup(one.frame_id, before.frame_id, 0) for before, one in pairwise(cameras)]
    return dump_camchain(cameras, chain)


def _tree(transforms: list[RigidTransform]) -> FrameTree:
    tree = FrameTree()
    for one in transforms:
        tree.add(one, stamp_ns=0, static=True)
    return tree
