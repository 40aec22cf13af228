"""Node ``player``: plays a recording, for ``replay.launch.xml``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rclpy.utilities import remove_ros_args

from perception_stack.errors import PerceptionError
from perception_stack.ros.interrupts import interrupt_once
from perception_stack.ros.player import play_bag


def main() -> None:
    """Entry point of ``ros2 run perception_stack player BAG``."""
    parser = argparse.ArgumentParser(prog="player", description=__doc__)
    parser.add_argument("bag", type=Path, help="rosbag2 folder, .mcap or .db3 file")
    parser.add_argument("--rate", type=float, default=1.0, help="speed (default: 1.0)")
    parser.add_argument("--wait", action="store_true", help="wait until somebody listens")
    parser.add_argument("--wait-for", default="", help="wait until somebody publishes this topic")
    interrupt_once()
    args = parser.parse_args(remove_ros_args(sys.argv)[1:])
    try:
        sys.exit(play_bag(args.bag, rate=args.rate, wait=args.wait, wait_for=args.wait_for))
    except KeyboardInterrupt:
        pass  # told to stop, as any node
    except PerceptionError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
