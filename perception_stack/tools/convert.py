"""``perception-stack convert``: a data set as a rosbag2 recording."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from perception_stack.io.bags import STORAGES
from perception_stack.io.convert import KINDS, convert_kitti
from perception_stack.tools.console import progress, say

EXAMPLES = """examples:
  perception-stack convert kitti-object training/.. --out out/kitti
  perception-stack convert kitti-raw 2011_09_26_drive/ --static-ego --out out/drive
  perception-stack convert kitti-tracking tracking/ --sequence 0006 --out out/seq6
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("source", type=Path, metavar="DIR", help="folder of the data set")
    parser.add_argument("--out", type=Path, required=True, help="folder of the recording")
    parser.add_argument("--storage", choices=STORAGES, default="mcap")
    parser.add_argument("--sequence", default="", help="which sequence of tracking data")
    parser.add_argument(
        "--static-ego",
        action="store_true",
        help="the vehicle stands still, so odom is where it is; only for data without ego poses",
    )


def run(args: argparse.Namespace) -> int:
    """Convert."""
    with ExitStack() as stack:
        bars: list[Any] = []

        def advance(done: int, total: int) -> None:
            if not bars:
                bars.append(stack.enter_context(progress(total, "convert", "frame")))
            bars[0].update(done - bars[0].n)

        summary = convert_kitti(
            args.kind,
            args.source,
            args.out,
            storage=args.storage,
            sequence=args.sequence,
            static_ego=args.static_ego,
            progress=advance,
        )
    labels = ", ".join(f"{num} {name}" for name, num in summary.num_labels.items()) or "none"
    say(f"{summary.num_frames} frames written to {args.out}; true boxes: {labels}")
    return 0
