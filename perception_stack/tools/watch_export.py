"""``perception-stack watch export``: a labelling task of what the frame collector kept."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.pipeline.labelling_task import FORMATS, write_task
from perception_stack.pipeline.snippets import read_snippets
from perception_stack.tools.console import progress, say

EXAMPLES = """examples:
  perception-stack watch export --snippets ~/snippets --format cvat --out out/task
  perception-stack watch export --snippets ~/snippets --format coco --every-image --out out/task

CVAT: make a task with labels.json (raw editor of labels) and the images, then upload task.zip as
annotations, format "CVAT for images 1.1" or "COCO 1.0". The boxes are a first guess.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "--snippets", type=Path, required=True, help="frame_collector.out_dir of the robot"
    )
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--every-image",
        action="store_true",
        help="all images of each snippet, not only the one that was worth it",
    )


def run(args: argparse.Namespace) -> int:
    """Write the task and say what it holds."""
    num_snippets = len(read_snippets(args.snippets))
    with progress(num_snippets, "export", "snippet") as bar:
        num = write_task(
            args.snippets,
            args.out,
            layout=args.format,
            every_image=args.every_image,
            on_snippet=lambda: bar.update(1),
        )
    say(f"{num} images of {num_snippets} snippets written to {args.out}")
    return 0
