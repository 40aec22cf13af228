"""Whether the tracker's covariances mean what they say, on KITTI's tracking sequences.

- NIS: the squared Mahalanobis distance of each detection of a confirmed track from its
  prediction for when the clock says that it was made, in place as the filter takes it (three
  dimensions). It should lie in its 95 % interval 95 % of the time.
- Predictions: the place of a confirmed object 0.5, 1 and 2 s later, against where the label of the
  same object is by then, seen from above. It should lie in its 90 % ellipse 90 % of the time.

::

    python benchmarks/tracking_uncertainty.py --data ../shared/data --group report
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.stats import chi2
from tracking import GROUPS, Drive, read_drive

from perception_stack.datatypes import UNKNOWN, FloatArray
from perception_stack.evaluation.kitti.evaluate import CLASSES
from perception_stack.evaluation.matching import assign
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.overlap import iou_3d
from perception_stack.journal import Journal
from perception_stack.tools.track import frames_of
from perception_stack.tracking.space.association import associate
from perception_stack.tracking.space.config import TrackerConfig, numbers
from perception_stack.tracking.space.filter import take_size
from perception_stack.tracking.space.measurements import measurements_from_boxes
from perception_stack.tracking.space.motion import predict
from perception_stack.tracking.space.precision import expected_scale2
from perception_stack.tracking.space.tracker import Tracker

HORIZONS = (5, 10, 20)  # frames of 0.1 s
_IS_TRUTH = 0.3  # overlap from which on a track is that of a label


def innovations(tracker: Tracker, frame, parameters: np.ndarray) -> list[tuple[str, float]]:
    """Class and NIS of what the next frame will tell of confirmed tracks."""
    known = tracker.known
    if known.stamp_ns is None or known.vocabulary != tuple(
        sorted({*known.vocabulary, *frame.seen.classes})
    ):
        return []
    found = measurements_from_boxes(
        frame.seen, vocabulary=known.vocabulary, parameters=parameters, journal=Journal()
    )
    dt_s = (frame.seen.stamp_ns - known.stamp_ns) * 1e-9
    clock = known.clocks[frame.source].after(dt_s)
    tracks = predict(known.tracks, known.step_s(dt_s + clock.ahead_s), parameters)
    chosen = associate(
        (tracks.table, tracks.class_probs),
        (found.table, found.class_probs),
        known.vocabulary.index(UNKNOWN),
        clock.variance_s2,
        parameters,
    )
    result = []
    for n, m in enumerate(chosen):
        if m >= 0 and tracks["confirmed"][n] and tracks["num_detections"][n] > 2:
            track, detection = tracks.table[n].copy(), found.table[m]
            _, place_m, _ = take_size(track, detection, frame.sight.origin_m, parameters[0])
            offset = place_m - track["center_m"]
            velocity_mps = tracks["twist"][n, :3]
            scale2 = expected_scale2(tracks["level_probs"][n], parameters[0])
            total = tracks["covariance"][n, :3, :3] + scale2 * found["noise"][m, :3, :3]
            total = total + clock.variance_s2 * np.outer(velocity_mps, velocity_mps)
            label = known.vocabulary[int(np.argmax(tracks.class_probs[n]))]
            result.append((label, float(offset @ np.linalg.solve(total, offset))))
    return result


def measure(drive: Drive, config: TrackerConfig) -> tuple[dict, dict]:
    """NIS by class, and squared distances of predictions from the truth by class and horizon."""
    tracker, sequence = Tracker(config, Journal()), drive.sequence
    parameters = numbers(config)
    nis, predicted = defaultdict(list), defaultdict(list)
    places: dict[tuple[int, int], FloatArray] = {}
    waiting = defaultdict(list)
    for index in range(len(sequence)):
        frame = next(frames_of(sequence, index))
        for label, value in innovations(tracker, frame, parameters):
            nis[label].append(value)
        objects = tracker.take(frame)
        labels = drive.labels.get(index)
        if labels is None or objects is None:
            continue
        truth = transform_boxes(labels.boxes, sequence.fixed_from_rect[index])
        for row, one in enumerate(labels.ids):
            places[index, one] = truth.center_m[row]
        boxes = objects.boxes
        rows, columns = assign(iou_3d(truth, boxes), threshold=_IS_TRUTH)
        for horizon in HORIZONS:
            later = tracker.predicted(horizon * 0.1)
            row_of = {one: row for row, one in enumerate(later.ids)}
            for row, column in zip(rows, columns, strict=True):
                there = row_of.get(objects.ids[column])
                if there is not None and labels.boxes.labels[row] == boxes.labels[column]:
                    waiting[index + horizon].append(
                        (
                            boxes.labels[column],
                            horizon,
                            labels.ids[row],
                            later.boxes.center_m[there, :2],
                            later.boxes.covariance[there, :2, :2],
                        )
                    )
    for index, guesses in waiting.items():
        for label, horizon, one, place, covariance in guesses:
            if (index, one) in places:
                offset = places[index, one][:2] - place
                predicted[label, horizon].append(
                    float(offset @ np.linalg.solve(covariance, offset))
                )
    return nis, predicted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--group", choices=GROUPS, default="anchors", help="which sequences")
    args = parser.parse_args()
    config = TrackerConfig.for_calibrated_scores()
    table = report([read_drive(args.data, name, config) for name in GROUPS[args.group]], config)
    json.dump(table, sys.stdout, indent=1)
    sys.stdout.write("\n")


def report(drives: list[Drive], config: TrackerConfig) -> dict[str, dict[str, float]]:
    """Shares in the stated intervals, by class."""
    nis, predicted = defaultdict(list), defaultdict(list)
    for drive in drives:
        one, two = measure(drive, config)
        for key, values in one.items():
            nis[key] += values
        for key, values in two.items():
            predicted[key] += values
    low, high = chi2.ppf([0.025, 0.975], 3)
    inside_90 = chi2.ppf(0.9, 2)
    table = {}
    for kind in (*CLASSES, "all"):
        kinds = CLASSES if kind == "all" else (kind,)
        values = np.array([value for one in kinds for value in nis[one]])
        row = table[kind] = {
            "updates": len(values),
            "NIS in its 95 % interval": float(np.mean((values >= low) & (values <= high))),
            "mean NIS, of 3": float(np.mean(values)),
        }
        for horizon in HORIZONS:
            squared = np.array([x for one in kinds for x in predicted[one, horizon]])
            row[f"in the 90 % ellipse after {horizon / 10:g} s"] = float(
                np.mean(squared <= inside_90)
            )
            row[f"of so many after {horizon / 10:g} s"] = len(squared)
    return {
        kind: {name: round(value, 3) for name, value in row.items()} for kind, row in table.items()
    }


if __name__ == "__main__":
    main()
