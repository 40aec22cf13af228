"""``perception-stack train detector``: our own small image detector, on any labelled images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from perception_stack.tools.console import say
from perception_stack.tools.training import (
    LOOP_HELP,
    add_loop_arguments,
    configs,
    train_and_export,
)

if TYPE_CHECKING:
    from perception_stack.io.image_sets import ImageSet

SIMULATOR = "sim"
_TESTS = ("test", "varied")
_SHARES = {"train": 1.0, "val": 0.15, "test": 0.4, "varied": 0.2}

EXAMPLES = f"""examples:
  perception-stack train detector --data sim --out out/detector
  perception-stack train detector --data sim --scenes 200 --epochs 60 --out out/detector
  perception-stack train detector --data coco/ --from out/detector/best.pt --freeze-epochs 2 \\
      --out out/coco
  perception-stack train detector --data kitti/ --epochs 100 --resume --out out/kitti

DIR is a folder in COCO's format (annotations/instances_train2017.json and the like, or
train/annotations.json) with splits train and val, and test if there is one, or one in KITTI's
(training/image_2, training/label_2). "sim" simulates roads and tables into OUT/data first.

{LOOP_HELP}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--data", required=True, metavar="sim|DIR", help="images and labels")
    parser.add_argument("--scenes", type=int, default=100, help="with sim: scenes to train on")
    parser.add_argument("--jobs", type=int, default=1, help="with sim: processes that simulate")
    add_loop_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Train, score, export."""
    from perception_stack.training.detector.task import DetectorTask, DetectorTaskConfig

    loop, sizes = configs(args, DetectorTaskConfig)
    images = read_images(_simulated(args) if args.data == SIMULATOR else Path(args.data))
    for split, one in images.items():
        say(f"{split}: {len(one.images)} images")
        for remark in one.remarks[:5]:
            say(f"  {remark}")
    task = DetectorTask(images, sizes, seed=loop.seed)
    train_and_export(task, loop, args, tests=[split for split in _TESTS if split in images])
    say(f"model, manifest and card: {args.out.resolve()}")
    return 0


def read_images(root: Path) -> dict[str, ImageSet]:
    """The splits that a folder has.

    Raises:
        DataFileError: train or val is missing, or something is malformed.
    """
    from perception_stack.io.image_sets.folder import has_split, read_split

    there = [split for split in _TESTS if has_split(root, split)]
    return {split: read_split(root, split) for split in ("train", "val", *there)}


def _simulated(args: argparse.Namespace) -> Path:
    """Simulate what is not there yet; returns its folder."""
    from perception_stack.io.image_sets.coco import ANNOTATIONS
    from perception_stack.tools.simulate_images import write_pictures

    root: Path = args.out / "data"
    for split, share in _SHARES.items():
        if not (root / split / ANNOTATIONS).exists():
            num = max(1, round(share * args.scenes))
            write_pictures(root, split, scenes=range(num), num_jobs=args.jobs)
    return root
