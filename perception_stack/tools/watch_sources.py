"""Arguments that name recordings for the watch, and reading them."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.errors import ConfigError
from perception_stack.io.bags import BagReader
from perception_stack.io.image_files import image_files
from perception_stack.journal import Journal
from perception_stack.pipeline.watch_recordings import Frames, read_bag, read_images
from perception_stack.tools.console import progress


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where recordings come from, and which model looks at them."""
    parser.add_argument(
        "--bag", type=Path, action="append", default=[], help="a recording; may be given again"
    )
    parser.add_argument(
        "--images",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="images in a row, as a recording; may be given again",
    )
    parser.add_argument(
        "--model",
        default="",
        metavar="MANIFEST",
        help="finds the boxes; not given: boxes as recorded, if they are",
    )
    parser.add_argument("--model-dir", default="", metavar="DIR", help="folder of the model file")
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="NAME:=TOPIC",
        help="where image, detections or points lie, e.g. image:=/front/image",
    )


def read_sources(args: argparse.Namespace) -> list[Frames]:
    """Read all recordings.

    Raises:
        ConfigError: none is named, or a topic is not of the form NAME:=TOPIC.
        DataFileError: one cannot be read.
    """
    if not args.bag and not args.images:
        raise ConfigError("name recordings with --bag or --images")
    topics = {}
    for text in args.topic:
        name, assigned, topic = text.partition(":=")
        if not assigned or name not in ("image", "detections", "points"):
            raise ConfigError(
                f"--topic '{text}' is not of the form NAME:=TOPIC, NAME being image, detections "
                "or points"
            )
        topics[name] = topic
    detector = None
    if args.model:
        config = DetectorConfig(model=args.model, model_dir=args.model_dir)
        detector = Detector(config, Journal())
    found = []
    for path in args.bag:
        with BagReader(path) as reader:
            total = sum(reader.counts.get(topics.get(n, f"/{n}"), 0) for n in ("image", "points"))
        with progress(total, path.name, "frame") as bar:
            found.append(
                read_bag(path, detector=detector, topics=topics, on_message=lambda: bar.update(1))
            )
    for folder in args.images:
        files = image_files(folder)
        with progress(len(files), folder.name, "image") as bar:
            found.append(
                read_images(files, folder.name, detector=detector, on_image=lambda: bar.update(1))
            )
    return found
