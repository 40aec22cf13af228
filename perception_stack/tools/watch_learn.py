"""``perception-stack watch learn``: what is usual, from recordings."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.pipeline.watch_recordings import as_numbers
from perception_stack.tools.console import say, table
from perception_stack.tools.watch_sources import add_source_arguments, read_sources
from perception_stack.watch.reference import (
    DELAY_FRAMES,
    FALSE_ALARM_FRAMES,
    Reference,
    learn,
    write_reference,
)

EXAMPLES = """examples:
  perception-stack watch learn --bag monday --bag tuesday --model yolox_nano.yaml --out usual.yaml
  perception-stack watch learn --images street_1 --images street_2 --out usual.yaml
  ros2 run perception_stack detector --ros-args -p detector.reference:=usual.yaml ...

Recordings of one camera (one LiDAR) on its robot, of as many places, times of day and weathers as
the robot may meet: what no recording has is news to the watch. The table says which change each
feature needs to be found in time.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_source_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="the reference, a YAML file")
    parser.add_argument(
        "--delay-frames",
        type=int,
        default=DELAY_FRAMES,
        help=f"within how many frames a change is to be found; default: {DELAY_FRAMES}",
    )
    parser.add_argument(
        "--false-alarm-frames",
        type=float,
        default=FALSE_ALARM_FRAMES,
        help=f"mean number of frames between false alarms; default: {FALSE_ALARM_FRAMES}",
    )


def run(args: argparse.Namespace) -> int:
    """Read, learn, write, and say what can be found."""
    classes, recordings = as_numbers(read_sources(args))
    reference = learn(
        recordings,
        classes=classes,
        delay_frames=args.delay_frames,
        false_alarm_frames=args.false_alarm_frames,
    )
    write_reference(reference, args.out)
    say(limit_table(reference))
    if len(recordings) == 1:
        say("one recording says nothing of how places differ; that is believed, not measured")
    say(f"written to {args.out}")
    return 0


def limit_table(reference: Reference) -> str:
    """What each feature needs to be found."""
    rows = [
        (part, one.feature.name, one.middle, one.level, one.smallest_shift, one.feature.unit)
        for part in reference.usual
        for one in reference.limits(part)
    ]
    found = f"found in {reference.delay_frames}"
    return table(("of", "feature", "usual", "places differ by", found, "unit"), rows)
