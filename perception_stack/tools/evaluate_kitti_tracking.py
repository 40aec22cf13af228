"""``perception-stack evaluate kitti-tracking``: scores result files against KITTI's labels."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from perception_stack.errors import ConfigError, DataFileError
from perception_stack.evaluation.kitti.evaluate import (
    CLASSES,
    CLEAR_THRESHOLD,
    KittiScores,
    SequencePair,
    evaluate_kitti,
)
from perception_stack.evaluation.kitti.frames import SIMILARITIES
from perception_stack.io.kitti.labels import read_tracking_labels
from perception_stack.io.kitti.tracks import read_tracks
from perception_stack.tools.console import progress, say, table

EXAMPLES = """examples:
  perception-stack evaluate kitti-tracking --tracks out/tracks --root kitti_tracking
  perception-stack evaluate kitti-tracking --tracks out/tracks --root DIR --json scores.json
  perception-stack evaluate kitti-tracking --tracks out/tracks --root DIR --iou 0.25 0.5 0.7

All sequences NNNN.txt of --tracks are scored together. HOTA, MOTA and IDF1 count as TrackEval
does, of all tracks; sAMOTA, AMOTA and AMOTP are AB3DMOT's, averaged over 40 recalls. "published"
is sAMOTA as AB3DMOT's own program rounds it, to be compared with numbers that were made by it.
What stands behind it is of the tracks above the score that gives the largest MOTA.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--tracks", type=Path, required=True, help="folder of NNNN.txt files")
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="tracking folder with label_02"
    )
    parser.add_argument(
        "--sequences", nargs="+", default=(), metavar="NNNN", help="which ones (default: all)"
    )
    parser.add_argument(
        "--iou",
        nargs="+",
        type=float,
        default=[0.25],
        help="least overlap of a match of sAMOTA, AMOTA and AMOTP (default: 0.25)",
    )
    parser.add_argument(
        "--similarity",
        nargs="+",
        choices=SIMILARITIES,
        default=list(SIMILARITIES),
        help="overlap in space or in the image (default: both)",
    )
    parser.add_argument("--json", type=Path, help="file for all scores")


def run(args: argparse.Namespace) -> int:
    """Score and show."""
    for iou in args.iou:
        if not 0 < iou <= 1:
            raise ConfigError(f"--iou {iou:g} is not above 0 and up to 1")
    pairs = read_pairs(args.tracks, args.root, args.sequences)
    scores: dict[str, dict[str, KittiScores]] = {}
    with progress(len(args.similarity) * len(CLASSES), "evaluate", "class") as bar:
        for similarity in args.similarity:
            for name in CLASSES:
                scores.setdefault(similarity, {})[name] = evaluate_kitti(
                    list(pairs.values()), class_name=name, similarity=similarity, ious=args.iou
                )
                bar.update(1)
    if args.json is not None:
        content = as_json(scores, sequences=list(pairs))
        args.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for similarity, by_class in scores.items():
        say(f"{similarity.upper()} overlap; a match of MOTA and IDF1: at least {CLEAR_THRESHOLD}")
        say(score_table(by_class))
        say()
        say(sweep_table(by_class))
        say()
    return 0


def read_pairs(tracks: Path, root: Path, wanted: tuple[str, ...] = ()) -> dict[str, SequencePair]:
    """Labels and tracks by sequence.

    Raises:
        DataFileError: no tracks, or a sequence without labels.
    """
    names = list(wanted) or sorted(path.stem for path in tracks.glob("*.txt"))
    if not names:
        raise DataFileError(tracks, "no files NNNN.txt in it; perception-stack track writes them")
    return {
        name: SequencePair(
            labels=read_tracking_labels(root / "label_02" / f"{name}.txt"),
            tracks=read_tracks(tracks / f"{name}.txt"),
        )
        for name in names
    }


def as_json(scores: dict[str, dict[str, KittiScores]], *, sequences: list[str]) -> dict[str, Any]:
    """All scores; ratios are in 0 to 1."""
    return {
        "sequences": sequences,
        "clear_threshold": CLEAR_THRESHOLD,
        "scores": {
            similarity: {name: one.as_dict() for name, one in by_class.items()}
            for similarity, by_class in scores.items()
        },
    }


def score_table(by_class: dict[str, KittiScores]) -> str:
    """TrackEval's scores by class, ratios in percent."""
    header = ("class", "HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1", "IDSW", "FP", "FN", "truth")
    rows = []
    for name, scores in by_class.items():
        hota, clear = scores.hota.as_dict(), scores.clear
        ratios = (hota["hota"], hota["det_a"], hota["ass_a"], clear.mota, clear.motp)
        counts = (clear.switches, clear.false_positives, clear.misses, clear.num_truth)
        rows.append((name, *(100 * one for one in (*ratios, scores.identity.idf1)), *counts))
    return table(header, rows)


def sweep_table(by_class: dict[str, KittiScores]) -> str:
    """AB3DMOT's scores by class, ratios in percent; from the score on at the best threshold."""
    averages = ("sAMOTA", "AMOTA", "AMOTP", "published")
    header = ("class", "IoU", *averages, "score", "HOTA", "MOTA", "MOTP", "IDS", "FP", "FN")
    rows = []
    for name, scores in by_class.items():
        for iou, sweep in scores.sweeps.items():
            best, averaged = sweep.best, sweep.averages
            ratios = (averaged.samota, averaged.amota, averaged.amotp, sweep.as_published.samota)
            at_best = (sweep.best_hota.hota.mean(), best.mota, best.motp)
            counts = (best.switches, best.false_positives, best.misses)
            rows.append(
                (
                    name,
                    f"{iou:g}",
                    *(100 * one for one in ratios),
                    f"{best.threshold:.2f}",
                    *(100 * one for one in at_best),
                    *counts,
                )
            )
    return table(header, rows)
