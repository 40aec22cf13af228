"""``perception-stack model check``: whether every back end finds the same boxes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from perception_stack.datatypes import Detections2D
from perception_stack.detection import backends
from perception_stack.detection.comparison import Comparison, Tolerance, compare
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.detection.manifest import load_manifest
from perception_stack.errors import ConfigError, ModelLoadError
from perception_stack.io.image_files import image_files, load_images
from perception_stack.journal import Journal
from perception_stack.tools.console import progress, say, table

EXAMPLES = """examples:
  perception-stack model check --model config/models/yolox_nano.yaml --images pictures
  perception-stack model check --model yolox.yaml --images pictures --score 0.02

The first back end is the reference. A box differs when it overlaps its counterpart by less than
--iou, when the scores differ by more than --score, or when it has none though its score is above
the threshold by more than --score. The exit code is 1 if a box differs, 2 if fewer than two back
ends can run. Engines of TensorRT with 16-bit floats need wider limits.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one back end found.

    Attributes:
        name: The back end.
        found: Boxes of each image.
        median_ms: Time of one image, conversion of the image and of the boxes included.
    """

    name: str
    found: tuple[Detections2D, ...]
    median_ms: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    usual = Tolerance()
    parser.add_argument("--model", type=Path, required=True, metavar="MANIFEST", help="the model")
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="what to look at"
    )
    parser.add_argument("--model-dir", default="", metavar="DIR", help="folder of the model file")
    parser.add_argument("--backends", default="", metavar="NAMES", help="all if not given")
    parser.add_argument("--iou", type=float, default=usual.iou, help=f"default: {usual.iou}")
    parser.add_argument("--score", type=float, default=usual.score, help=f"default: {usual.score}")
    parser.add_argument("--threshold", type=float, default=0.0, help="default: the manifest's")


def run(args: argparse.Namespace) -> int:
    """Detect with each back end, compare with the first, say what differs."""
    for name in ("iou", "score", "threshold"):
        if not 0 <= getattr(args, name) <= 1:
            raise ConfigError(f"--{name} {getattr(args, name):g} is not between 0 and 1")
    config = DetectorConfig(
        model=str(args.model), model_dir=args.model_dir, score_threshold=args.threshold
    )
    manifest = load_manifest(
        args.model, model_dir=Path(args.model_dir) if args.model_dir else None
    )
    images = image_files(args.images)
    results = _detect(config, _names(args.backends, manifest.file), images)
    tolerance = Tolerance(
        iou=args.iou, score=args.score, threshold=args.threshold or manifest.score_threshold
    )
    reference, *others = results
    say(f"{manifest.name}, {len(images)} images, compared with {reference.name}")
    comparisons = {
        other.name: [
            compare(a, b, tolerance) for a, b in zip(reference.found, other.found, strict=True)
        ]
        for other in others
    }
    rows = [_row(one, comparisons.get(one.name, [])) for one in results]
    header = ("back end", "boxes", "pairs", "least IoU", "most score", "alone", "differ", "ms")
    say(table(header, rows))
    num_different = sum(one.num_different for many in comparisons.values() for one in many)
    for name, many in comparisons.items():
        for image, one in zip(images, many, strict=True):
            if one.num_different:
                say(f"{name} differs on {image.name} in {one.num_different} boxes")
    return int(num_different > 0)


def _names(given: str, file: Path) -> tuple[str, ...]:
    """Back ends to compare.

    Raises:
        ConfigError: an unknown one, or fewer than two.
    """
    names = tuple(one.strip() for one in given.split(",") if one.strip())
    if unknown := sorted(set(names) - set(backends.NAMES)):
        known = ", ".join(backends.NAMES)
        raise ConfigError(f"no back end '{unknown[0]}'; known: {known}")
    names = names or backends.usable(file)
    if len(names) < 2:
        missing = [one for one in backends.NAMES if not backends.is_installed(one)]
        hints = "; ".join(f"{one}: {backends.backend(one).INSTALL}" for one in missing)
        there = f"only {names[0]} is" if names else "no back end is"
        raise ConfigError(f"{there} usable for {file.name}; type one of: {hints}")
    return names


def _detect(config: DetectorConfig, names: Sequence[str], images: Sequence[Path]) -> list[Result]:
    """All images through all back ends; one that has no GPU to run on is left out, and said."""
    results = []
    with progress(len(names) * len(images), "detect", "image") as bar:
        for name in names:
            try:
                detector = Detector(replace(config, backend=name), Journal())
            except ModelLoadError as error:
                say(f"{name} is left out: {error}")
                bar.update(len(images))
                continue
            found, spent_ms = [], []
            for image in load_images(images):
                start = time.perf_counter()
                found.append(detector.detect(image))
                spent_ms.append(1e3 * (time.perf_counter() - start))
                bar.update(1)
            results.append(
                Result(name=name, found=tuple(found), median_ms=float(np.median(spent_ms)))
            )
    if len(results) < 2:
        raise ConfigError("fewer than two back ends could load the model")
    return results


def _row(result: Result, many: Sequence[Comparison]) -> tuple[object, ...]:
    """A line of the table; the reference has nothing to be compared with."""
    num_boxes = sum(map(len, result.found))
    if not many:
        return result.name, num_boxes, None, None, None, None, None, result.median_ms
    iou = np.concatenate([one.iou for one in many])
    scores = np.concatenate([one.score_difference for one in many])
    return (
        result.name,
        num_boxes,
        len(iou),
        f"{iou.min():.5f}" if len(iou) else None,
        f"{scores.max():.6f}" if len(scores) else None,
        sum(one.num_alone for one in many),
        sum(one.num_different for one in many),
        result.median_ms,
    )
