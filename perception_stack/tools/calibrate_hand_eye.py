"""``perception-stack calibrate hand-eye``: place of a camera on a robot, or beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.calibration.hand_eye.calibrate import Setup, calibrate_hand_eye
from perception_stack.calibration.hand_eye.figures import hand_eye_section
from perception_stack.errors import ConfigError
from perception_stack.geometry.pose_stream import PoseStream
from perception_stack.io.pose_streams import read_pose_table, read_tf_poses
from perception_stack.tools.console import say
from perception_stack.tools.extrinsic_result import RESULT, finish
from perception_stack.tools.grades import now

EXAMPLES = (
    """examples:
  perception-stack calibrate hand-eye --hand hand.csv --eye camera.csv --eye-gives camera-in-target
                                      --out hand_eye.yaml
  perception-stack calibrate hand-eye --bag arm --base base_link --hand-frame tool0
                                      --camera camera_optical --target board --out hand_eye.yaml
  perception-stack calibrate hand-eye --setup on-base --hand hand.csv --eye board.csv
                                      --eye-gives target-in-camera --out camera_on_base.yaml

Tables have rows of t [s], x, y, z [m], qx, qy, qz, qw. --hand holds poses of the hand in the base.
Rates and clocks may differ; no samples need to be chosen. Turn the hand about at least two axes.

"""
    + RESULT
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--hand", type=Path, metavar="CSV", help="poses of the hand in the base")
    parser.add_argument("--eye", type=Path, metavar="CSV", help="poses that the camera saw")
    parser.add_argument(
        "--eye-gives",
        choices=("target-in-camera", "camera-in-target"),
        help="what the table of the eye holds",
    )
    parser.add_argument("--bag", type=Path, help="recording with TF, in place of tables")
    parser.add_argument(
        "--setup",
        choices=[one.value for one in Setup],
        default=Setup.IN_HAND.value,
        help="camera in the hand, or on the base and the target in the hand (default: in-hand)",
    )
    for name, default in (
        ("base", "base_link"),
        ("hand-frame", "hand"),
        ("camera", "camera"),
        ("target", "target"),
    ):
        parser.add_argument(
            f"--{name}", default=default, metavar="FRAME", help=f"name (default: {default})"
        )
    parser.add_argument(
        "--max-offset",
        type=float,
        default=5.0,
        metavar="S",
        help="how far the clocks may differ (default: 5)",
    )
    parser.add_argument(
        "--paired",
        action="store_true",
        help="row i of both tables belongs together, taken at rest: stamps do not count",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="extrinsics YAML")


def run(args: argparse.Namespace) -> int:
    """Calibrate and write."""
    hand, eye = _streams(args)
    if args.paired:
        hand, eye = hand.renumbered(), eye.renumbered()
    result = calibrate_hand_eye(
        hand,
        eye,
        setup=Setup(args.setup),
        now=now(),
        farthest_offset_s=None if args.paired else args.max_offset,
    )
    code = finish(
        args.out,
        result.mount_from_eye,
        result.covariance,
        result.grade,
        title=f"Place of {args.camera} in {result.mount_from_eye.target}",
        sections=[hand_eye_section(result)],
    )
    if not args.paired:
        milliseconds, std = 1000 * result.offset_s, 1000 * result.offset_std_s
        say(f"  add {milliseconds:.1f} ms (± {std:.1f}) to the stamps of the camera")
    return code


def _streams(args: argparse.Namespace) -> tuple[PoseStream, PoseStream]:
    if (args.bag is None) == (args.hand is None or args.eye is None):
        raise ConfigError("name either --hand and --eye, or a --bag")
    if args.bag is not None:
        pairs = [(args.base, args.hand_frame), (args.camera, args.target)]
        hand, eye = read_tf_poses(args.bag, pairs)
        return hand, eye
    if args.eye_gives is None:
        raise ConfigError("say with --eye-gives what the table of the eye holds")
    hand = read_pose_table(args.hand, target=args.base, source=args.hand_frame)
    if args.eye_gives == "target-in-camera":
        return hand, read_pose_table(args.eye, target=args.camera, source=args.target)
    return hand, read_pose_table(args.eye, target=args.target, source=args.camera).inverse
