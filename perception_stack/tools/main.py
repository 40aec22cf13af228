"""The command line ``perception-stack``: one subcommand per module of this folder."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Any

from perception_stack.errors import PerceptionError
from perception_stack.tools.choices import Choices

COMMANDS = {
    "demo": "simulate, launch the nodes, replay over DDS, evaluate: everything at once",
    "run": "run the chain over a recording, offline and reproducibly",
    "track": "run the tracker alone over published detections of a data set",
    "pose": "find the poses of known objects in the images of a data set",
    "tune": "fit parameters to labelled recordings",
    "evaluate": "score a run against the truth and write a report",
    "calibrate": "calibrate cameras, LiDARs and arms, and grade the result",
    "live": "launch the nodes, play a recording over DDS, keep what they answer",
    "play": "publish a recording over DDS",
    "convert": "make a rosbag2 recording of a data set",
    "simulate": "make a rosbag2 recording of a simulated scene with exact truth",
    "train": "train our own networks, on the simulator or on labelled data",
    "watch": "learn what is usual, and find what no longer is and what is worth a label",
    "model": "check a network before a robot relies on it",
    "doctor": "list what is usable on this machine and what to type for what is missing",
}

# commands of two words, whose second word is no argument of the first
FORMATS = {
    "calibrate camera": "find the intrinsics of a camera from views of a board, and grade them",
    "calibrate stereo": "find lenses and places of two or more cameras from views of a board",
    "calibrate hand-eye": "find where a camera is on a robot's hand or beside the robot",
    "calibrate lidar-camera": "find where a camera is in a LiDAR, from a board that both saw",
    "calibrate lidar-lidar": "find where a LiDAR is in another, from surfaces that both see",
    "calibrate lidar-base": "find height, roll and pitch of a LiDAR above the ground",
    "calibrate export": "write extrinsics in the format of another program",
    "calibrate import": "read extrinsics that another program wrote",
    "calibrate target-free": "find where a LiDAR is in a camera, from what both happen to see",
    "calibrate time-offset": "find how late the stamps of a camera are against those of a LiDAR",
    "evaluate kitti-tracking": "score tracks in KITTI's format against KITTI's labels",
    "model check": "whether every back end finds the same boxes in the same images",
    "model evaluate": "score an image detector on labelled images",
    "model import": "make a file to be run of a published network on LiDAR scans",
    "model quantise": "make a network run in 8-bit integers, and say what that costs",
    "pose bop": "find known objects in images of a BOP data set, and write a result file",
    "simulate images": "write labelled pictures of simulated scenes, for training",
    "train detector": "train our own small image detector",
    "train pillars": "train our own small network on LiDAR scans",
    "watch learn": "learn from recordings what is usual for images, detections and scans",
    "watch check": "compare a recording with what is usual, and say what differs since when",
    "watch export": "make a labelling task, for CVAT or as COCO, of snippets that were collected",
    "track kitti-image": "run the image tracker alone over 2-D detections of KITTI",
    "track mot": "run the image tracker alone over detections in MOTChallenge's format",
}

# first words that do nothing alone: what the second one says, and what holds for all
GROUPS = {
    "calibrate": (
        "what to calibrate",
        "Each writes its result and beside it a grade: RESULT.grade.yaml for programs and\n"
        "RESULT.report.html for people.",
    ),
    "pose": ("whose format", ""),
    "train": ("what to train", ""),
    "watch": ("what to do", ""),
    "model": ("what to do", ""),
}


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; a command's own module is loaded when it is chosen."""
    top = argparse.ArgumentParser(
        prog="perception-stack",
        description="One fused, tracked list of 3-D objects from camera, depth and LiDAR.",
        epilog="Each command explains itself: perception-stack COMMAND --help; also: "
        + ", ".join(f"perception-stack {name}" for name in FORMATS),
    )
    top.add_argument("--verbose", action="store_true", help="say more about what is going on")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text, add_help=False)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code. Bad input ends in one line that says what to do."""
    given = list(sys.argv[1:] if argv is None else argv)
    args, rest = parser().parse_known_args(given)
    level = logging.INFO if args.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s")
    name, text = args.command, COMMANDS[args.command]
    if rest and f"{name} {rest[0]}" in FORMATS:
        name = f"{name} {rest.pop(0)}"
        text = FORMATS[name]
    module = _module(name)
    command = argparse.ArgumentParser(
        prog=f"perception-stack {name}",
        description=text[0].upper() + text[1:] + ".",
        epilog=module.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(command)
    try:
        code: int = module.run(command.parse_args(rest))
    except PerceptionError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _module(name: str) -> Any:
    """What declares and runs a command: ``EXAMPLES``, ``add_arguments`` and ``run``."""
    if name in GROUPS:
        text, note = GROUPS[name]
        return Choices(text, [one for one in FORMATS if one.startswith(f"{name} ")], note)
    file = name.replace(" ", "_").replace("-", "_")
    return importlib.import_module(f"perception_stack.tools.{file}")


if __name__ == "__main__":
    sys.exit(main())
