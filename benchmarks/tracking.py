"""The tracker on KITTI tracking sequences: scores, frames per second, robustness, growth.

PointRCNN detections and ORB-SLAM3 ego poses of the data folder go in, through the same functions
as ``perception-stack track kitti``; the judge is that of ``perception-stack evaluate
kitti-tracking``, compared with TrackEval where that is installed::

    python benchmarks/tracking.py --data ../shared/data                   # the six of the anchors
    python benchmarks/tracking.py --data ../shared/data --group report    # not fitted on
    python benchmarks/tracking.py --data ../shared/data --robustness --growth
    python benchmarks/tracking.py --data ../shared/data --limit           # without any tracker

The group ``report`` is for parameters that were fitted on the group ``fit``; all of the given
sequences have been looked at before, so none of them gives a blind result. Times are processor
time, and hold for the machine they were taken on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tracking_disturbances import DISTURBANCES, Inputs
from tracking_growth import growth

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.evaluation.kitti.evaluate import (
    CLASSES,
    CLEAR_THRESHOLD,
    KittiScores,
    SequencePair,
    evaluate_kitti,
    id_sequence,
)
from perception_stack.evaluation.matching import assign
from perception_stack.geometry.boxes import project_boxes, transform_boxes
from perception_stack.geometry.overlap import iou_3d
from perception_stack.io.kitti.labels import KittiLabels, read_tracking_labels
from perception_stack.io.kitti.sequences import TrackingSequence, read_sequence
from perception_stack.io.kitti.tracks import KittiTracks, with_track_scores
from perception_stack.journal import Journal
from perception_stack.tools.track import Tracked, as_kitti, frames_of
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.tracker import Tracker

GROUPS = {
    "fit": ("0000", "0003", "0006", "0010", "0012"),
    "report": ("0014", "0016", "0018"),
    "anchors": ("0006", "0010", "0012", "0014", "0016", "0018"),
}
IOUS = (0.25, 0.5)
_LEAST_ALIKE = 0.05  # the lowest overlap that HOTA looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """A sequence and its labels."""

    sequence: TrackingSequence
    labels: dict[int, KittiLabels]


def read_drive(data: Path, name: str, config: TrackerConfig) -> Drive:
    """A sequence of either data folder."""
    root = data / ("kitti_drive_0005_seq_0000" if name == "0000" else "kitti_tracking")
    return Drive(
        sequence=read_sequence(root, name, fixed_frame=config.fixed_frame),
        labels=read_tracking_labels(root / "label_02" / f"{name}.txt"),
    )


def track(drive: Drive, config: TrackerConfig, inputs: Inputs) -> tuple[SequencePair, list[float]]:
    """What is to be judged, and the seconds of each call of the tracker."""
    sequence = drive.sequence
    tracker = Tracker(config, Journal())
    tracker.warm_up()
    lists, seconds = [None] * len(sequence), []
    for frame, boxes in inputs.items():
        ready = transform_boxes(boxes, sequence.fixed_from_rect[frame])
        sight = next(frames_of(sequence, frame)).sight
        start = time.process_time()
        objects = tracker.update(ready, sight=sight)
        seconds.append(time.process_time() - start)
        lists[frame] = None if objects is None else Tracked(objects=objects)
    labels = {frame: one for frame, one in drive.labels.items() if frame in inputs}
    return SequencePair(
        labels=labels, tracks=with_track_scores(as_kitti(sequence, lists))
    ), seconds


def as_tracks(
    sequence: TrackingSequence, boxes: Boxes3D, *, ids: NDArray[np.int64], score: FloatArray
) -> KittiTracks:
    """Detections of a frame that the camera sees, as if a tracker had named them."""
    in_camera = transform_boxes(boxes, sequence.camera_from_rect)
    xyxy_px, shown = project_boxes(in_camera, sequence.camera)
    return KittiTracks(
        boxes=boxes.rows(shown), ids=ids[shown], xyxy_px=xyxy_px[shown], score=score[shown]
    )


def right_detections(drive: Drive) -> SequencePair:
    """Of all detections, weak ones too, those that the labels choose, under the labels' names."""
    sequence, tracks = drive.sequence, {}
    for frame, found in enumerate(sequence.detections):
        if frame not in drive.labels:
            continue
        label = drive.labels[frame]
        alike = iou_3d(label.boxes, found)
        alike *= np.array(label.boxes.labels)[:, None] == np.array(found.labels)[None]
        rows, cols = assign(alike, threshold=_LEAST_ALIKE)
        ids, boxes = np.array(label.ids, dtype=np.int64)[rows], found.rows(cols)
        tracks[frame] = as_tracks(sequence, boxes, ids=ids, score=boxes.score)
    return SequencePair(labels=drive.labels, tracks=tracks)


def undisturbed(drive: Drive) -> Inputs:
    return dict(enumerate(drive.sequence.detections))


def summary(scores: KittiScores) -> dict[str, float]:
    """The usual numbers, in percent or counts."""
    hota = scores.hota.as_dict()
    ratios = {"HOTA": hota["hota"], "DetA": hota["det_a"], "AssA": hota["ass_a"]}
    ratios |= {"MOTA": scores.clear.mota, "IDF1": scores.identity.idf1}
    for iou, sweep in scores.sweeps.items():
        ratios[f"sAMOTA {iou:g}"] = sweep.averages.samota
        ratios[f"sAMOTA {iou:g} as published"] = sweep.as_published.samota
    clear = scores.clear
    counts = {"IDSW": clear.switches, "FP": clear.false_positives, "FN": clear.misses}
    return {name: round(100 * value, 2) for name, value in ratios.items()} | counts


def trackeval_difference(pairs: list[SequencePair], kind: str, similarity: str) -> float:
    """Largest difference of the scores above from TrackEval's, in percent or counts."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    joined = id_sequence([pair.frames(kind, similarity) for pair in pairs])
    data = {
        "num_timesteps": len(joined.frames),
        "num_gt_ids": joined.num_truth_ids,
        "num_tracker_ids": joined.num_object_ids,
        "num_gt_dets": joined.num_truth,
        "num_tracker_dets": joined.num_objects,
        "gt_ids": [frame.truth_ids for frame in joined.frames],
        "tracker_ids": [frame.object_ids for frame in joined.frames],
        "similarity_scores": [frame.similarity for frame in joined.frames],
    }
    settings = {"PRINT_CONFIG": False, "THRESHOLD": CLEAR_THRESHOLD}
    theirs: dict[str, Any] = {}
    for metric in (HOTA(), CLEAR(settings), Identity(settings)):
        theirs |= metric.eval_sequence(data)
    scores = evaluate_kitti(pairs, class_name=kind, similarity=similarity)
    hota, clear = scores.hota.as_dict(), scores.clear
    ours = {"HOTA": hota["hota"], "DetA": hota["det_a"], "AssA": hota["ass_a"]}
    ours |= {"MOTA": clear.mota, "IDF1": scores.identity.idf1, "IDSW": clear.switches}
    return float(max(abs(np.mean(theirs[name]) - value) for name, value in ours.items()))


def robustness(drives: list[Drive], config: TrackerConfig, seeds: int) -> dict[str, Any]:
    """3-D HOTA in percent: undisturbed, and how much is lost, mean over the seeds."""

    def hota(pairs: list[SequencePair]) -> dict[str, float]:
        scores = {
            kind: evaluate_kitti(pairs, class_name=kind, similarity="3d") for kind in CLASSES
        }
        return {kind: 100 * one.hota.as_dict()["hota"] for kind, one in scores.items()}

    base = hota([track(drive, config, undisturbed(drive))[0] for drive in drives])
    found: dict[str, Any] = {"undisturbed": base}
    for name, disturb in DISTURBANCES.items():
        runs = []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            runs.append(
                hota(
                    [
                        track(drive, config, disturb(drive.sequence, drive.labels, rng))[0]
                        for drive in drives
                    ]
                )
            )
        found[name] = {kind: np.mean([run[kind] for run in runs]) - base[kind] for kind in CLASSES}
    return {
        name: {kind: round(float(one), 2) for kind, one in by_class.items()}
        for name, by_class in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--group", choices=GROUPS, default="anchors", help="which sequences")
    parser.add_argument("--sequences", nargs="+", help="these instead of a group")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs")
    parser.add_argument("--robustness", action="store_true", help="also with disturbed detections")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each disturbance")
    parser.add_argument(
        "--limit", action="store_true", help="also the right detections, named by the labels"
    )
    parser.add_argument("--growth", action="store_true", help="also time by number of objects")
    args = parser.parse_args()

    config = TrackerConfig.for_calibrated_scores()
    names = args.sequences or GROUPS[args.group]
    drives = [read_drive(args.data, name, config) for name in names]
    runs = [
        [track(drive, config, undisturbed(drive)) for drive in drives]
        for _ in range(max(args.repeats, 1))
    ]
    pairs = [pair for pair, _ in runs[0]]
    totals_s = [sum(sum(seconds) for _, seconds in run) for run in runs]
    frame_s = np.concatenate([seconds for run in runs for _, seconds in run])
    table: dict[str, Any] = {
        "sequences": list(names),
        "frames_per_s": round(len(frame_s) / len(runs) / float(np.median(totals_s)), 1),
        "median_ms": round(1e3 * float(np.median(frame_s)), 3),
        "p99_ms": round(1e3 * float(np.percentile(frame_s, 99)), 3),
    }
    for similarity, ious in (("3d", IOUS), ("2d", ())):
        for kind in CLASSES:
            scores = evaluate_kitti(pairs, class_name=kind, similarity=similarity, ious=ious)
            row = table[f"{kind} {similarity}"] = summary(scores)
            if find_spec("trackeval") is not None:
                row["TrackEval differs by"] = trackeval_difference(pairs, kind, similarity)
    if args.robustness:
        table["robustness, HOTA 3-D"] = robustness(drives, config, args.seeds)
    if args.limit:
        chosen = [right_detections(drive) for drive in drives]
        table["right detections, true names"] = {
            kind: summary(evaluate_kitti(chosen, class_name=kind, similarity="3d"))
            for kind in CLASSES
        }
    if args.growth:
        table["growth"] = growth(config)
    json.dump(table, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
