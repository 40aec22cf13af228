"""``perception-stack model check``: whether every back end finds the same objects."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from perception_stack import networks
from perception_stack.datatypes import Detections2D, FloatArray
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

The first back end is the reference. An object differs when its box overlaps its counterpart by
less than --iou or its mask by less than --mask-iou, when a keypoint is more than --keypoint-px
or an oriented box more than --angle away, when the scores differ by more than --score, or when
it has no counterpart though its score is above the threshold by more than --score. The exit code
is 1 if an object differs, 2 if fewer than two back ends can run. 16-bit floats need wider limits.
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
    for name, value, text in (
        ("mask-iou", usual.mask_iou, "of masks"),
        ("keypoint-px", usual.keypoint_px, "pixels"),
        ("angle", usual.angle_rad, "radians"),
    ):
        parser.add_argument(
            f"--{name}", type=float, default=value, help=f"{text}; default: {value}"
        )
    parser.add_argument("--threshold", type=float, default=0.0, help="default: the manifest's")


def run(args: argparse.Namespace) -> int:
    """Detect with each back end, compare with the first, say what differs."""
    for name in ("iou", "score", "threshold", "mask_iou"):
        if not 0 <= getattr(args, name) <= 1:
            option = name.replace("_", "-")
            raise ConfigError(f"--{option} {getattr(args, name):g} is not between 0 and 1")
    config = DetectorConfig(
        model=str(args.model), model_dir=args.model_dir, score_threshold=args.threshold
    )
    manifest = load_manifest(
        args.model, model_dir=Path(args.model_dir) if args.model_dir else None
    )
    images = image_files(args.images)
    results = _detect(config, _names(args.backends, manifest.file), images)
    tolerance = Tolerance(
        iou=args.iou,
        score=args.score,
        threshold=args.threshold or manifest.score_threshold,
        mask_iou=args.mask_iou,
        keypoint_px=args.keypoint_px,
        angle_rad=args.angle,
    )
    reference, *others = results
    say(f"{manifest.name}, {len(images)} images, compared with {reference.name}")
    comparisons = {
        other.name: [
            compare(a, b, tolerance) for a, b in zip(reference.found, other.found, strict=True)
        ]
        for other in others
    }
    measures = _measures(reference)
    rows = [_row(one, comparisons.get(one.name, []), measures) for one in results]
    names = [name for name, _, _ in measures]
    say(table(("back end", "objects", "pairs", *names, "alone", "differ", "ms"), rows))
    num_different = sum(one.num_different for many in comparisons.values() for one in many)
    for name, many in comparisons.items():
        for image, one in zip(images, many, strict=True):
            if one.num_different:
                say(f"{name} differs on {image.name} in {one.num_different} objects")
    return int(num_different > 0)


def _names(given: str, file: Path) -> tuple[str, ...]:
    """Back ends to compare.

    Raises:
        ConfigError: an unknown one, or fewer than two.
    """
    names = tuple(one.strip() for one in given.split(",") if one.strip())
    if unknown := sorted(set(names) - set(networks.NAMES)):
        known = ", ".join(networks.NAMES)
        raise ConfigError(f"no back end '{unknown[0]}'; known: {known}")
    names = names or networks.usable(file)
    if len(names) < 2:
        missing = [one for one in networks.NAMES if not networks.is_installed(one)]
        hints = "; ".join(f"{one}: {networks.backend(one).INSTALL}" for one in missing)
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


def _measures(reference: Result) -> list[tuple[str, str, Callable[[FloatArray], float]]]:
    """What is compared of objects such as these: heading, field of the comparison, worst case."""
    given = reference.found[0]
    found: list[tuple[str, str, Callable[[FloatArray], float]]] = [
        ("least IoU", "iou", np.min),
        ("most score", "score_difference", np.max),
    ]
    if given.mask is not None:
        found.append(("mask IoU", "mask_iou", np.min))
    if given.keypoints is not None:
        found.append(("keypoint px", "keypoint_px", np.max))
    if given.rotated_px is not None:
        found.append(("angle rad", "angle_rad", np.max))
    return found


def _row(
    result: Result,
    many: Sequence[Comparison],
    measures: Sequence[tuple[str, str, Callable[[FloatArray], float]]],
) -> tuple[object, ...]:
    """A line of the table; the reference has nothing to be compared with."""
    num_objects = sum(map(len, result.found))
    if not many:
        nothing = [None] * (len(measures) + 3)
        return result.name, num_objects, *nothing, result.median_ms
    worst = []
    for _, field, reduce in measures:
        values = np.concatenate([getattr(one, field) for one in many])
        worst.append(f"{reduce(values):.6f}" if len(values) else None)
    return (
        result.name,
        num_objects,
        sum(len(one.iou) for one in many),
        *worst,
        sum(one.num_alone for one in many),
        sum(one.num_different for one in many),
        result.median_ms,
    )
