"""How PointRCNN's logits relate to being right, by logistic regression.

A detection is right where it overlaps a label of its class by a 3-D IoU of 0.25; what KITTI does
not count is left out. Printed are the logit at which half are right, the logit that changes the
odds by e, and how many there were of both kinds::

    python benchmarks/pointrcnn_scores.py --data ../shared/data --sequences 0000 0003
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from tracking import as_tracks

from perception_stack.datatypes import FloatArray
from perception_stack.evaluation.kitti.evaluate import CLASSES, SequencePair
from perception_stack.evaluation.matching import assign
from perception_stack.io.kitti.detections import read_detections_3d
from perception_stack.io.kitti.labels import read_tracking_labels
from perception_stack.io.kitti.pointrcnn import FOLDERS
from perception_stack.io.kitti.sequences import read_sequence

_IOU = 0.25


def read_pair(root: Path, name: str) -> SequencePair:
    """Labels, and the detections as if each were a track of its own, scored by their logits."""
    sequence = read_sequence(root, name, fixed_frame="odom")
    paths = [root / "detection" / folder / f"{name}.txt" for folder in FOLDERS.values()]
    found = read_detections_3d(*(path for path in paths if path.exists()))
    tracks = {}
    for frame, (boxes, logits) in found.items():
        ids = np.arange(len(boxes), dtype=np.int64)
        tracks[frame] = as_tracks(sequence, boxes, ids=ids, score=logits)
    return SequencePair(
        labels=read_tracking_labels(root / "label_02" / f"{name}.txt"), tracks=tracks
    )


def judged(pairs: list[SequencePair], kind: str) -> tuple[FloatArray, FloatArray]:
    """Logits, and 1 where right and 0 where wrong."""
    logits, right = [np.empty(0)], [np.empty(0)]
    for frame in (one for pair in pairs for one in pair.frames(kind, "3d")):
        counted = frame.candidates.without_ignored(threshold=_IOU)
        _, hits = assign(counted.similarity, threshold=_IOU)
        logits.append(frame.score[counted.box_rows])
        right.append(np.isin(np.arange(len(counted.box_rows)), hits).astype(float))
    return np.concatenate(logits), np.concatenate(right)


def fitted(logits: FloatArray, right: FloatArray) -> FloatArray:
    """Middle and scale of the logistic curve of largest likelihood."""

    def loss(middle_and_log_scale: FloatArray) -> float:
        middle, log_scale = middle_and_log_scale
        odds = (logits - middle) / np.exp(log_scale)
        return float(np.logaddexp(0, (1 - 2 * right) * odds).sum())

    middle, log_scale = minimize(loss, [3.0, 0.0], method="Nelder-Mead").x
    return np.array([middle, np.exp(log_scale)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sequences", nargs="+", required=True)
    args = parser.parse_args()
    folders = {"0000": "kitti_drive_0005_seq_0000"}
    pairs = [
        read_pair(args.data / folders.get(name, "kitti_tracking"), name) for name in args.sequences
    ]
    for kind in CLASSES:
        logits, right = judged(pairs, kind)
        middle, scale = fitted(logits, right)
        counts = f"right {right.sum():.0f} wrong {(1 - right).sum():.0f}"
        print(f"{kind:11} middle {middle:5.2f} scale {scale:4.2f} {counts}")


if __name__ == "__main__":
    main()
