"""The tracker and AB3DMOT on the same detections, judged alike, in turn on one core.

Scores, frames per second for one class at a time, and what is lost when the detections are
disturbed. Of either only the tracks above the score that gives it the largest MOTA on what is
judged count, anew for each disturbance: AB3DMOT lists every track and leaves the choice to its
user::

    OMP_NUM_THREADS=1 python benchmarks/tracking_peers.py --data ../shared/data --ab3dmot DIR

DIR is a checkout of AB3DMOT's repository; see ``peers/ab3dmot.py``. Times are those of the
processor.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from peers import ab3dmot
from tracking import GROUPS, Drive, read_drive, undisturbed
from tracking_disturbances import DISTURBANCES, Inputs

from perception_stack.datatypes import Boxes3D
from perception_stack.evaluation.kitti.evaluate import CLASSES, SequencePair, evaluate_kitti
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.journal import Journal
from perception_stack.tools.track import Tracked, as_kitti, frames_of
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.tracker import Tracker

_IOU = 0.25
"""Least overlap of a match of the MOTA that the best score is chosen by, as its authors do."""

Run = Callable[[Drive, Inputs, str], tuple[SequencePair, float]]


def only(inputs: Inputs, kind: str) -> Inputs:
    """Detections of one class."""
    return {
        frame: boxes.rows(np.flatnonzero(np.array(boxes.labels, dtype=str) == kind))
        for frame, boxes in inputs.items()
    }


def ours(drive: Drive, inputs: Inputs, kind: str) -> tuple[SequencePair, float]:
    config = TrackerConfig.for_calibrated_scores()
    tracker = Tracker(config, Journal())
    tracker.warm_up()
    sequence, lists = drive.sequence, [None] * len(drive.sequence)
    given = [
        (
            frame,
            transform_boxes(boxes, sequence.fixed_from_rect[frame]),
            next(frames_of(sequence, frame)).sight,
        )
        for frame, boxes in only(inputs, kind).items()
    ]
    # to read the clock may take as long as a frame
    start = time.process_time()
    results = [(frame, tracker.update(boxes, sight=sight)) for frame, boxes, sight in given]
    seconds = time.process_time() - start
    for frame, objects in results:
        lists[frame] = None if objects is None else Tracked(objects=objects)
    return _pair(drive, inputs, as_kitti(sequence, lists)), seconds


def theirs(model: type) -> Run:
    def run(drive: Drive, inputs: Inputs, kind: str) -> tuple[SequencePair, float]:
        tracks, seconds = ab3dmot.track(model, drive.sequence, inputs, kind)
        return _pair(drive, inputs, tracks), seconds

    return run


def _pair(drive: Drive, inputs: dict[int, Boxes3D], tracks: dict) -> SequencePair:
    labels = {frame: one for frame, one in drive.labels.items() if frame in inputs}
    return SequencePair(labels=labels, tracks=tracks)


def hota(pairs: list[SequencePair], kind: str) -> float:
    """3-D HOTA at the best score, in percent."""
    scores = evaluate_kitti(pairs, class_name=kind, similarity="3d", ious=(_IOU,))
    return 100 * scores.sweeps[_IOU].best_hota.as_dict()["hota"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--ab3dmot", type=Path, required=True, help="checkout of the peer")
    parser.add_argument("--group", choices=GROUPS, default="anchors", help="which sequences")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each disturbance; 0: none")
    parser.add_argument(
        "--classes", nargs="+", choices=CLASSES, default=CLASSES, help="which ones"
    )
    args = parser.parse_args()

    config = TrackerConfig.for_calibrated_scores()
    drives = [read_drive(args.data, name, config) for name in GROUPS[args.group]]
    num_frames = sum(len(drive.sequence) for drive in drives)
    runs: dict[str, Run] = {"ours": ours, "AB3DMOT": theirs(ab3dmot.load(args.ab3dmot))}
    table: dict[str, dict] = {}
    for kind in args.classes:
        row = table[kind] = {}
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for repeat in range(args.repeats):
            for name, run in runs.items():
                done = [run(drive, undisturbed(drive), kind) for drive in drives]
                seconds[name].append(sum(one for _, one in done))
                if repeat == 0:
                    row[f"HOTA 3-D {name}"] = hota([pair for pair, _ in done], kind)
        for name in runs:
            row[f"frames/s {name}"] = num_frames / float(np.median(seconds[name]))
        times = np.divide(seconds["AB3DMOT"], seconds["ours"])
        row["times faster"], row["at least"], row["at most"] = (
            np.median(times),
            min(times),
            max(times),
        )
        for title, disturb in DISTURBANCES.items() if args.seeds else ():
            for name, run in runs.items():
                found = [
                    hota([run(d, _disturbed(d, disturb, seed), kind)[0] for d in drives], kind)
                    for seed in range(args.seeds)
                ]
                change = float(np.mean(found)) - row[f"HOTA 3-D {name}"]
                row[f"{title}, {name}"] = change
    rounded = {
        kind: {name: round(value, 2) for name, value in row.items()} for kind, row in table.items()
    }
    json.dump(rounded, sys.stdout, indent=1)
    sys.stdout.write("\n")


def _disturbed(drive: Drive, disturb: Callable, seed: int) -> Inputs:
    return disturb(drive.sequence, drive.labels, np.random.default_rng(seed))


if __name__ == "__main__":
    main()
