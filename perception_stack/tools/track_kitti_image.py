"""``perception-stack track kitti-image``: 2-D detections of KITTI through the image tracker."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.datatypes import TrackedBoxes2D
from perception_stack.errors import ConfigError
from perception_stack.io.kitti.image_sequences import (
    ImageSequence,
    image_sequence_names,
    read_image_sequence,
    write_image_tracks,
)
from perception_stack.journal import Journal
from perception_stack.tools.console import progress, say
from perception_stack.tools.run import JOURNAL, chain_config, write_journal
from perception_stack.tracking.image.config import ImageTrackerConfig
from perception_stack.tracking.image.tracker import ImageTracker

EXAMPLES = """examples:
  perception-stack track kitti-image --root kitti_tracking --detections rrc2d --out out/image
  perception-stack track kitti-image --root DIR --sequences 0006 0010 --out out/image

DIR has detection/rrc2d_{Car,Pedestrian} and calib; labels and poses are never read. --out gets one
file NNNN.txt per sequence, all classes in it, in KITTI's tracking format, and journal.json. A
score is the probability of existence.
Score the result:
  perception-stack evaluate kitti-tracking --tracks out/image --root DIR --similarity 2d
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="tracking folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tracks")
    parser.add_argument(
        "--detections", choices=("rrc2d",), default="rrc2d", help="which detections"
    )
    parser.add_argument(
        "--sequences", nargs="+", default=(), metavar="NNNN", help="which ones (default: all)"
    )
    parser.add_argument("--params-file", type=Path, help="parameter file")
    parser.add_argument(
        "--image-size",
        nargs=2,
        type=int,
        metavar=("WIDTH", "HEIGHT"),
        help="of the image, px (default: what the camera of the day of recording had)",
    )


def run(args: argparse.Namespace) -> int:
    """Track and write."""
    config = chain_config(args.params_file, []).image_tracker
    size_px = None if args.image_size is None else tuple(args.image_size)
    if size_px is not None and min(size_px) < 1:
        raise ConfigError(f"--image-size {size_px[0]} {size_px[1]}: both must be at least 1")
    names = image_sequence_names(args.root, args.sequences)
    args.out.mkdir(parents=True, exist_ok=True)
    journals = {name: Journal() for name in names}
    num_rows = num_frames = 0
    with progress(len(names), "track", "sequence") as bar:
        for name in names:
            sequence = read_image_sequence(args.root, name, image_size_px=size_px)
            lists = tracked(sequence, config, journals[name])
            num_rows += write_image_tracks(args.out / f"{name}.txt", lists)
            num_frames += len(sequence.detections)
            bar.update(1)
    write_journal(args.out / JOURNAL, journals)
    say(f"{num_frames} frames of {len(names)} sequences, {num_rows} boxes, written to {args.out}")
    return 0


def tracked(
    sequence: ImageSequence, config: ImageTrackerConfig, journal: Journal
) -> dict[int, TrackedBoxes2D]:
    """The tracked list of each frame by its number."""
    tracker = ImageTracker(config, journal)
    size_px = sequence.image_size_px
    lists = (tracker.update(one, image_size_px=size_px) for one in sequence.detections)
    return {number: one for number, one in enumerate(lists) if one is not None}
