"""``perception-stack tune``: parameters fitted to labelled recordings by maximum likelihood."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.errors import ConfigError
from perception_stack.evaluation.kitti.evaluate import CLASSES, SequencePair
from perception_stack.evaluation.matching import assign
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.overlap import iou_3d
from perception_stack.io.kitti.labels import KittiLabels, read_tracking_labels
from perception_stack.io.kitti.sequences import TrackingSequence, read_sequence, sequence_names
from perception_stack.journal import Journal
from perception_stack.tools.console import progress, say, table
from perception_stack.tools.track import as_kitti, tracked
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.fitting import (
    EXISTENCE,
    MOTION,
    Chain,
    bernoulli_log_loss,
    fitted,
    motion_fit,
)

EXAMPLES = """examples:
  perception-stack tune tracker --root kitti_tracking --fit 0003 0006 0010 --out out/tuned
  perception-stack tune tracker --root DIR --fit 0003 --only motion --out out/tuned

DIR is a tracking folder as for "perception-stack track kitti", with label_02 besides. Sequences
that are not named with --fit or --test are for testing. --out gets tracker.param.yaml, to be used
with --params-file, and report.json: what was fitted on which sequences, and how well the
parameters from before and the new ones explain both groups.
"""

_IS_DETECTION = 0.1  # overlap from which on a detection is of a labelled object
_IS_OBJECT = 0.25  # overlap from which on a track is a labelled object
_NIS_95 = (0.21579528, 9.34840360)  # chi-square, 3 degrees of freedom
_LEAST_EXISTENCE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A sequence with its labels."""

    sequence: TrackingSequence
    labels: dict[int, KittiLabels]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("step", choices=("tracker",), help="whose parameters")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="tracking folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for parameters and report")
    parser.add_argument("--fit", nargs="+", required=True, metavar="NNNN", help="fit on these")
    parser.add_argument("--test", nargs="+", metavar="NNNN", help="test on these (default: rest)")
    parser.add_argument("--only", choices=("motion", "existence"), help="one of the two")
    parser.add_argument("--calls", type=int, default=150, help="most trials of each (150)")


def run(args: argparse.Namespace) -> int:
    """Fit, compare and write."""
    names = sequence_names(args.root)
    tests = args.test or [name for name in names if name not in args.fit]
    unknown = sorted({*args.fit, *tests} - {*names})
    if unknown or set(args.fit) & set(tests):
        wrong = f"no sequences {unknown}" if unknown else "a sequence is both in --fit and --test"
        raise ConfigError(f"{wrong}; there are {' '.join(names)}")
    before = after = TrackerConfig.for_calibrated_scores()
    fit = [_read(args.root, name, before) for name in args.fit]
    test = [_read(args.root, name, before) for name in tests]
    fit_chains, test_chains = _chains(fit), _chains(test)
    if args.only != "existence":
        with progress(args.calls, "motion", "trial") as bar:
            after = fitted(
                MOTION,
                after,
                lambda config: -motion_fit(fit_chains, config).log_density,
                most_calls=args.calls,
                on_call=lambda: bar.update(1),
            )
    if args.only != "motion":
        with progress(args.calls, "existence", "trial") as bar:
            after = fitted(
                EXISTENCE,
                after,
                lambda config: bernoulli_log_loss(*beliefs(fit, config)),
                most_calls=args.calls,
                on_call=lambda: bar.update(1),
            )
    groups: dict[str, tuple[list[str], list[Labelled], list[Chain]]] = {
        "fit": (args.fit, fit, fit_chains),
        "test": (tests, test, test_chains),
    }
    scores = {
        group: {
            "before": _judged(labelled, chains, before),
            "after": _judged(labelled, chains, after),
        }
        for group, (_, labelled, chains) in groups.items()
        if labelled
    }
    changed = {
        name: getattr(after, name)
        for name in (*MOTION, *EXISTENCE)
        if getattr(after, name) != getattr(before, name)
    }
    sequences = {f"{group} sequences": which for group, (which, _, _) in groups.items()}
    _write(args.out, before, after, {**sequences, **scores})
    rows = [[name, getattr(before, name), value] for name, value in changed.items()]
    say(table(["parameter", "before", "after"], rows))
    rows = [
        [f"{group}: {name}", score["before"][name], score["after"][name]]
        for group, score in scores.items()
        for name in score["before"]
    ]
    say("\n" + table(["", "before", "after"], rows))
    say(f"\nwritten to {args.out}")
    return 0


def beliefs(
    labelled: list[Labelled], config: TrackerConfig
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Log odds of every track in every frame, listed or not, and whether there is an object.

    What KITTI does not label, for instance behind the border of the image, is left out.
    """
    everything = replace(config, publish_tentative=True, list_existence=_LEAST_EXISTENCE)
    log_odds, is_there = [np.empty(0)], [np.empty(0, dtype=np.bool_)]
    for one in labelled:
        lists = tracked(one.sequence, everything, Journal())
        pair = SequencePair(labels=one.labels, tracks=as_kitti(one.sequence, lists))
        for kind in CLASSES:
            for frame in pair.frames(kind, "3d"):
                scored = frame.candidates.without_ignored(threshold=_IS_OBJECT)
                hit = np.zeros(len(scored.box_rows), dtype=np.bool_)
                hit[assign(scored.similarity, threshold=_IS_OBJECT)[1]] = True
                log_odds.append(frame.score[scored.box_rows])
                is_there.append(hit)
    return np.concatenate(log_odds), np.concatenate(is_there)


def _read(root: Path, name: str, config: TrackerConfig) -> Labelled:
    return Labelled(
        sequence=read_sequence(root, name, fixed_frame=config.fixed_frame),
        labels=read_tracking_labels(root / "label_02" / f"{name}.txt"),
    )


def _chains(labelled: list[Labelled]) -> list[Chain]:
    """The detections of each labelled object, in the fixed frame."""
    chains = []
    for one in labelled:
        found = defaultdict(list)
        for index, labels in one.labels.items():
            boxes = one.sequence.detections[index]
            same = np.array(labels.boxes.labels)[:, None] == np.array(boxes.labels)[None]
            overlap = iou_3d(labels.boxes, boxes) * same
            ready = transform_boxes(boxes, one.sequence.fixed_from_rect[index])
            for row, column in zip(*assign(overlap, threshold=_IS_DETECTION), strict=True):
                found[labels.ids[row]].append(ready.rows(np.array([column])))
        chains += [Chain.of(parts) for parts in found.values() if len(parts) > 2]
    return chains


def _judged(
    labelled: list[Labelled], chains: list[Chain], config: TrackerConfig
) -> dict[str, float]:
    fit = motion_fit(chains, config)
    low, high = _NIS_95
    inside = (fit.place_squared >= low) & (fit.place_squared <= high)
    return {
        "log density of a detection": fit.log_density,
        "NIS of the place in its 95 % interval": float(np.mean(inside)),
        "log loss of existence": bernoulli_log_loss(*beliefs(labelled, config)),
    }


def _write(
    folder: Path, before: TrackerConfig, after: TrackerConfig, report: dict[str, Any]
) -> None:
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    standard = TrackerConfig()
    values = {
        name: getattr(after, name)
        for name in type(after).__dataclass_fields__
        if getattr(after, name) != getattr(standard, name)
    }
    content = {"/**": {"ros__parameters": {"tracker": values}}}
    (folder / "tracker.param.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    both = {name: [getattr(before, name), getattr(after, name)] for name in (*MOTION, *EXISTENCE)}
    text = json.dumps({"parameters": both, **report}, indent=1)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
