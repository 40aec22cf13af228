"""``perception-stack play``: publishes a recording over DDS."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.tools.ros_environment import require_ros

EXAMPLES = """examples:
  perception-stack play road.mcap
  perception-stack play road.mcap --rate 0.5 --wait
  perception-stack play recording/ --topics /points /tf /tf_static --loop
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("bag", type=Path, help="rosbag2 folder, .mcap or .db3 file")
    parser.add_argument("--rate", type=float, default=1.0, help="speed (default: 1.0)")
    parser.add_argument("--topics", nargs="+", default=(), metavar="TOPIC", help="play only these")
    parser.add_argument("--loop", action="store_true", help="begin again at the end")
    parser.add_argument(
        "--wait", action="store_true", help="wait until somebody listens to clouds or images"
    )


def run(args: argparse.Namespace) -> int:
    """Play."""
    require_ros()
    from perception_stack.ros.player import play_bag

    return play_bag(args.bag, rate=args.rate, topics=args.topics, loop=args.loop, wait=args.wait)
