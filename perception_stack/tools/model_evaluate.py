"""``perception-stack model evaluate``: how good an image detector is on labelled images."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perception_stack.errors import DataFileError
from perception_stack.tools.console import progress, say, table

if TYPE_CHECKING:
    from perception_stack.datatypes import ImageLabels
    from perception_stack.evaluation.images import JudgedImage

EXAMPLES = """examples:
  perception-stack model evaluate --model config/models/camera_sim.yaml --data out/pictures
  perception-stack model evaluate --model config/models/yolox_nano.yaml --model-dir DIR \\
      --data kitti_object/ --split all --out out/kitti.json

--data is a folder in COCO's or KITTI's format, as for "perception-stack train detector". Average
precision over 40 recall points at an overlap of 0.5, with 95 % limits; what is marked hard or
ignored is neither right nor wrong. Only classes that the model and the labels know are scored.
"""

_LEAST_SCORE = 0.02
_HEIGHTS_PX = (0.0, 16.0, 32.0, 64.0, 128.0, 1e6)
_HIDDEN = (0.0, 0.2, 0.5, 1.01)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--model", type=Path, required=True, help="manifest")
    parser.add_argument("--model-dir", type=Path, help="folder of the model file")
    parser.add_argument("--data", type=Path, required=True, help="images and labels")
    parser.add_argument("--split", default="test", help="default: test; KITTI has all")
    parser.add_argument("--backend", default="auto", help="library that runs the network")
    parser.add_argument("--out", type=Path, help="also write the scores to this JSON file")


def run(args: argparse.Namespace) -> int:
    """Detect, score, print."""
    from perception_stack.detection.config import DetectorConfig
    from perception_stack.detection.detector import Detector
    from perception_stack.detection.manifest import load_manifest
    from perception_stack.evaluation.confidence import ap_intervals
    from perception_stack.evaluation.images import score_images
    from perception_stack.io.image_sets.folder import read_split
    from perception_stack.journal import Journal
    from perception_stack.training.judging import judge

    manifest = load_manifest(args.model, model_dir=args.model_dir)
    images = read_split(args.data, args.split).renamed(manifest.class_map)
    known = {manifest.class_map.get(one, one) for one in manifest.classes}
    classes = [name for name in images.classes if name in known]
    if not classes:
        why = f"the model finds {', '.join(sorted(known))}; labelled: {', '.join(images.classes)}"
        raise DataFileError(args.data, why)
    config = DetectorConfig(
        model=str(args.model),
        model_dir=str(args.model_dir or ""),
        score_threshold=_LEAST_SCORE,
        backend=args.backend,
    )
    detector = Detector(config, Journal())
    with progress(len(images.images), "detect", "image") as bar:
        judged = [*judge(images, detector.detect, on_image=lambda: bar.update(1))]
    scores = score_images(judged, classes)
    intervals = ap_intervals(scores.hits, groups=scores.groups)
    rows: list[Sequence[Any]] = [
        (name, scores.num_truth[name], str(intervals[name]), scores.ap[name])
        for name in scores.ap50
    ]
    rows.append(("mean", sum(scores.num_truth.values()), str(intervals["mean"]), scores.mean_ap))
    say(f"{manifest.name}, {len(judged)} images")
    say(table(("class", "objects", "AP50 (95 %)", "AP50:95"), rows))
    slices = _slices(judged, classes, least_score=manifest.score_threshold)
    say(f"\nfound with a score of {manifest.score_threshold} or more")
    say(table(("of", "objects", "recall"), slices))
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "model": manifest.name,
            "images": len(judged),
            "ap50": {k: [one.value, one.low, one.high] for k, one in intervals.items()},
            "ap": {**scores.ap, "mean": scores.mean_ap},
            "objects": scores.num_truth,
            "recall": {what: [recall, num] for what, num, recall in slices},
        }
        args.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


def _slices(
    judged: Sequence[JudgedImage], classes: Sequence[str], *, least_score: float
) -> list[tuple[str, int, float]]:
    """What, how many, and the share that is found: by size, occlusion and kind of image."""
    from perception_stack.evaluation.images import (
        height_between,
        occluded_between,
        recall_of,
    )

    asked: list[tuple[str, Callable[[ImageLabels], Any], Sequence[JudgedImage]]] = [
        (f"height {low:.0f} to {high:.0f} px" if high < 1e6 else f"height from {low:.0f} px",
         height_between(low, high), judged)
        for low, high in pairwise(_HEIGHTS_PX)
    ]  # fmt: skip
    asked += [
        (
            f"hidden {100 * low:.0f} to {100 * min(high, 1):.0f} %",
            occluded_between(low, high),
            judged,
        )
        for low, high in pairwise(_HIDDEN)
    ]
    for kind in sorted({one.kind for one in judged} - {""}):
        of_kind = [one for one in judged if one.kind == kind]
        asked.append((f"images: {kind}", height_between(0, 1e9), of_kind))
    rows = []
    for what, choice, among in asked:
        recall, num = recall_of(among, classes, choice, least_score=least_score)
        if num:
            rows.append((what, num, recall))
    return rows
