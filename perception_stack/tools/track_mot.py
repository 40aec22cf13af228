"""``perception-stack track mot``: detections of the MOTChallenge through the image tracker."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.errors import ConfigError
from perception_stack.io.mot import read_mot_detections, write_mot_tracks
from perception_stack.journal import Journal
from perception_stack.tools.console import say
from perception_stack.tools.run import chain_config, drop_table
from perception_stack.tracking.image.tracker import ImageTracker

EXAMPLES = """examples:
  perception-stack track mot --detections TUD-Campus/sort_det.txt --out out/TUD-Campus.txt
  perception-stack track mot --detections det.txt --rate 14 --out out/tracks.txt

Rows are frame, track, left, top, width, height, score, and three numbers that are not used; the
score is a probability. Only the frame rate is not in such files.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--detections", type=Path, required=True, metavar="FILE", help="det.txt")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="for the tracks")
    parser.add_argument("--rate", type=float, default=25.0, help="frames per second (default: 25)")
    parser.add_argument("--class-name", default="pedestrian", help="what is detected")
    parser.add_argument("--params-file", type=Path, help="parameter file")


def run(args: argparse.Namespace) -> int:
    """Track and write."""
    if not 0 < args.rate < float("inf"):
        raise ConfigError(f"--rate {args.rate:g} is no number of frames per second")
    journal = Journal()
    tracker = ImageTracker(chain_config(args.params_file, []).image_tracker, journal)
    frames = read_mot_detections(args.detections, rate_hz=args.rate, class_name=args.class_name)
    lists = (tracker.update(one) for one in frames)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    num_rows = write_mot_tracks(
        args.out, {number: one for number, one in enumerate(lists, start=1) if one is not None}
    )
    say(f"{len(frames)} frames, {num_rows} boxes, written to {args.out}")
    say(drop_table({"image_tracker": journal}))
    return 0
