"""The image tracker and trackers of the package ``trackers`` on the same detections, in one run.

RRC detections of the KITTI tracking sequences, one class at a time as those trackers know no
classes, and Faster R-CNN detections of MOT15 TUD-Campus go in. The judge is that of
``perception-stack evaluate kitti-tracking``, compared with TrackEval where that is installed::

    pip install trackers        # a peer to measure against, used by nothing else
    python benchmarks/tracking_image.py --data ../shared/data
    python benchmarks/tracking_image.py --data ../shared/data --group others

Noise and motion started from a fit to labels of ``fit``; the values in use lie on a plateau of the
scores of all sequences and TUD-Campus, so none of them gives a blind result. Times
are processor time of one core, trackers taking turns; ours is the whole of ``update``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from tracking import summary, trackeval_difference

from perception_stack.datatypes import Detections2D
from perception_stack.evaluation.clear import clear_scores
from perception_stack.evaluation.hota import hota_scores
from perception_stack.evaluation.identity import identity_scores
from perception_stack.evaluation.kitti.evaluate import SequencePair, evaluate_kitti
from perception_stack.evaluation.sequences import IdFrame, IdSequence
from perception_stack.geometry.overlap import iou_2d
from perception_stack.io.kitti.image_sequences import (
    ImageSequence,
    image_sequence_names,
    read_image_sequence,
)
from perception_stack.io.kitti.labels import boxes_from_kitti, read_tracking_labels
from perception_stack.io.kitti.tracks import KittiTracks
from perception_stack.io.mot import read_mot_detections
from perception_stack.io.track_numbers import TrackNumbers
from perception_stack.journal import Journal
from perception_stack.tracking.image.config import ImageTrackerConfig
from perception_stack.tracking.image.tracker import ImageTracker

GROUPS = {
    "all": ("0003", "0006", "0010", "0012", "0014", "0016", "0018"),
    "fit": ("0003", "0006", "0010"),
    "others": ("0012", "0014", "0016", "0018"),
}
KINDS = ("car", "pedestrian")
Track = tuple[np.ndarray, np.ndarray]
"""Boxes float64 [N, 4] and identities int64 [N] of one frame."""
Runner = Callable[[list[Detections2D], tuple[int, int]], tuple[list[Track], float]]
"""Tracks each frame of a sequence; also returns the seconds it took."""


def ours(frames: list[Detections2D], size_px: tuple[int, int]) -> tuple[list[Track], float]:
    tracker, numbers = ImageTracker(ImageTrackerConfig(), Journal()), TrackNumbers()
    start = time.process_time()
    lists = [tracker.update(one, image_size_px=size_px) for one in frames]
    seconds = time.process_time() - start
    return [(one.xyxy_px, numbers.of(one.ids)) for one in lists if one is not None], seconds


def peer(name: str, **options: Any) -> Runner:
    """A tracker of the package, with its own defaults."""
    import supervision
    import trackers

    def run(frames: list[Detections2D], _: tuple[int, int]) -> tuple[list[Track], float]:
        tracker, results = getattr(trackers, name)(**options), []
        inputs = [
            supervision.Detections(
                xyxy=one.xyxy_px.astype(np.float32), confidence=one.score.astype(np.float32)
            )
            for one in frames
        ]
        start = time.process_time()
        for one in inputs:
            results.append(tracker.update(one))
        seconds = time.process_time() - start
        named = [one.tracker_id >= 0 for one in results]
        tracks = [
            (one.xyxy[keep].astype(np.float64).reshape(-1, 4), one.tracker_id[keep])
            for one, keep in zip(results, named, strict=True)
        ]
        return tracks, seconds

    return run


def runners() -> dict[str, Runner]:
    found: dict[str, Runner] = {"perception_stack": ours}
    if find_spec("trackers") is not None:
        found["ByteTrack"] = peer("ByteTrackTracker")
        found["SORT"] = peer("SORTTracker")
        found["BoT-SORT, no camera motion"] = peer("BoTSORTTracker", enable_cmc=False)
    return found


def only(one: Detections2D, kind: str) -> Detections2D:
    rows = np.flatnonzero(np.array(one.labels, dtype=str) == kind)
    return replace(
        one, xyxy_px=one.xyxy_px[rows], score=one.score[rows], labels=(kind,) * len(rows)
    )


def as_kitti(tracks: list[Track], kind: str) -> dict[int, KittiTracks]:
    """Tracks as the judge takes them; what an image cannot tell is zero."""
    return {
        number: KittiTracks(
            boxes=boxes_from_kitti(
                np.zeros((len(ids), 7)), (kind,) * len(ids), score=np.ones(len(ids)), stamp_ns=0
            ),
            ids=ids.astype(np.int64),
            xyxy_px=boxes,
            score=np.ones(len(ids)),
        )
        for number, (boxes, ids) in enumerate(tracks)
    }


def on_kitti(root: Path, names: tuple[str, ...], repeats: int) -> dict[str, Any]:
    sequences = [read_image_sequence(root, name) for name in names]
    labels = {
        one.name: read_tracking_labels(root / "label_02" / f"{one.name}.txt") for one in sequences
    }
    table: dict[str, Any] = {}
    for kind in KINDS:
        frames = {one.name: [only(each, kind) for each in one.detections] for one in sequences}
        seconds: dict[str, list[float]] = {name: [] for name in runners()}
        for repeat in range(repeats):
            for name, run in runners().items():
                results = {one.name: run(frames[one.name], one.image_size_px) for one in sequences}
                seconds[name].append(sum(spent for _, spent in results.values()))
                if repeat == 0:
                    table[f"{kind}, {name}"] = judged(sequences, labels, results, kind)
        for name, spent in seconds.items():
            num = sum(len(one.detections) for one in sequences)
            table[f"{kind}, {name}"]["frames/s"] = round(num / float(np.median(spent)))
    return table


def judged(
    sequences: list[ImageSequence],
    labels: dict[str, Any],
    results: dict[str, tuple[list[Track], float]],
    kind: str,
) -> dict[str, Any]:
    pairs = [
        SequencePair(labels=labels[one.name], tracks=as_kitti(results[one.name][0], kind))
        for one in sequences
    ]
    row: dict[str, Any] = summary(evaluate_kitti(pairs, class_name=kind, similarity="2d"))
    if find_spec("trackeval") is not None:
        row["TrackEval differs by"] = trackeval_difference(pairs, kind, "2d")
    return row


def on_campus(folder: Path) -> dict[str, Any]:
    frames = read_mot_detections(folder / "sort_det.txt", rate_hz=25.0)
    truth = np.loadtxt(folder / "gt.txt", delimiter=",")
    table = {}
    for name, run in runners().items():
        compared = []
        for number, (boxes, ids) in enumerate(run(frames, (0, 0))[0], start=1):
            there = truth[truth[:, 0] == number]
            true_px = np.hstack([there[:, 2:4], there[:, 2:4] + there[:, 4:6]])
            compared.append(
                IdFrame(
                    truth_ids=there[:, 1].astype(np.int64),
                    object_ids=ids.astype(np.int64),
                    similarity=iou_2d(true_px, boxes),
                )
            )
        joined = IdSequence.of(compared)
        clear = clear_scores(joined, threshold=0.5)
        ratios = {
            "HOTA": hota_scores(joined).as_dict()["hota"],
            "MOTA": clear.mota,
            "IDF1": identity_scores(joined, threshold=0.5).idf1,
        }
        table[name] = {key: round(100 * one, 2) for key, one in ratios.items()}
        table[name]["IDSW"] = clear.switches
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--group", choices=GROUPS, default="all", help="which KITTI sequences")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs")
    args = parser.parse_args()
    ImageTracker(ImageTrackerConfig(), Journal()).warm_up()
    root = args.data / "kitti_tracking"
    names = tuple(image_sequence_names(root, GROUPS[args.group]))
    table = {"sequences": names, "KITTI": on_kitti(root, names, max(args.repeats, 1))}
    table["TUD-Campus"] = on_campus(args.data / "mot15_2d" / "TUD-Campus")
    json.dump(table, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
