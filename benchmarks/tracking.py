"""The tracker on KITTI tracking sequences: HOTA, CLEAR, identity switches and frames per second.

PointRCNN detections and ORB-SLAM3 ego poses of the data folder go in; the judge is TrackEval with
KITTI's rules for ignored objects, with 3-D or 2-D overlap as similarity::

    python benchmarks/tracking.py --data ../shared/data
    python benchmarks/tracking.py --data ../shared/data --sequences 0003 0000

The parameters were chosen on sequences 0003 and 0000; the default is the six others.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from perception_stack.datatypes import Boxes3D, FloatArray, TrackedObjects
from perception_stack.geometry.boxes import corners, transform_boxes
from perception_stack.geometry.overlap import iou_2d, iou_3d
from perception_stack.geometry.transforms import (
    RigidTransform,
    matrix_from_quat,
    quat_from_matrix,
)
from perception_stack.journal import Journal
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.tracker import Tracker

VALIDATION = ("0006", "0010", "0012", "0014", "0016", "0018")
CLASSES = ("car", "cyclist", "pedestrian")
FRAME_NS = 100_000_000
START_NS = 1_000_000_000_000

# PointRCNN gives logits; these make them probabilities, (logit - first) / second by class
LOGIT_SCALE = {"car": (2.7, 1.1), "cyclist": (3.5, 0.8), "pedestrian": (3.2, 0.8)}
# standard deviations of a PointRCNN box: position [m], rotation [rad]
POSITION_M, ROTATION_RAD = 0.1, 0.1

# classes that are neither wanted nor wrong, and the limits of KITTI's 2-D evaluation
NEIGHBOURS = {"car": ("van",), "cyclist": (), "pedestrian": ("person",)}
MAX_OCCLUSION, MAX_TRUNCATION, MIN_HEIGHT_PX, MIN_MATCH = 2, 0, 25.0, 0.5

BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
IMAGE_PX = np.array([1242.0, 375.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Labels of one sequence, one row per object and frame."""

    frame: NDArray[np.int64]
    track: NDArray[np.int64]
    kind: NDArray[np.str_]
    truncated: NDArray[np.int64]
    occluded: NDArray[np.int64]
    xyxy_px: FloatArray
    hwl_xyz_ry: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """What is given of one drive."""

    name: str
    frames: list[Boxes3D]
    odom_from_camera: list[RigidTransform]
    projection: FloatArray
    truth: Truth


def read_sequence(data: Path, name: str) -> Sequence:
    """One drive of either data folder."""
    root = data / ("kitti_drive_0005_seq_0000" if name == "0000" else "kitti_tracking")
    poses = np.loadtxt(root / "orbslam3_pose" / f"{name}.txt").reshape(-1, 3, 4)
    body = RigidTransform(
        target="odom", source="start", rotation=BODY_FROM_OPTICAL, translation_m=np.zeros(3)
    )
    odom_from_camera = [
        body @ RigidTransform.from_matrix(orthonormal(pose), target="start", source="camera")
        for pose in poses
    ]
    calibration = dict(
        line.split(":", 1)
        for line in (root / "calib" / f"{name}.txt").read_text().splitlines()
        if ":" in line
    )
    detections = []
    for index, kind in enumerate(CLASSES):
        path = root / "detection" / f"pointrcnn_{kind.capitalize()}" / f"{name}.txt"
        rows = np.loadtxt(path, delimiter=",", ndmin=2).reshape(-1, 15) if path.exists() else []
        for row in rows:
            detections.append([*row, index])
    table = np.array(detections).reshape(-1, 16)
    return Sequence(
        name=name,
        frames=[
            boxes_of_rows(table[table[:, 0] == frame], START_NS + frame * FRAME_NS)
            for frame in range(len(poses))
        ],
        odom_from_camera=odom_from_camera,
        projection=np.array(calibration["P2"].split(), dtype=np.float64).reshape(3, 4),
        truth=read_truth(root / "label_02" / f"{name}.txt"),
    )


def orthonormal(pose: FloatArray) -> FloatArray:
    """The pose with the rounding of its text form taken out of the rotation."""
    u, _, vt = np.linalg.svd(pose[:, :3])
    return np.concatenate([u @ vt, pose[:, 3:]], axis=1)


def read_truth(path: Path) -> Truth:
    """Labels as they stand in the file."""
    rows = [line.split() for line in path.read_text().splitlines()]
    return Truth(
        frame=np.array([int(row[0]) for row in rows]),
        track=np.array([int(row[1]) for row in rows]),
        kind=np.array([row[2].lower() for row in rows]),
        truncated=np.array([int(float(row[3])) for row in rows]),
        occluded=np.array([int(float(row[4])) for row in rows]),
        xyxy_px=np.array([row[6:10] for row in rows], dtype=np.float64),
        hwl_xyz_ry=np.array([row[10:17] for row in rows], dtype=np.float64),
    )


def boxes_of_rows(rows: FloatArray, stamp_ns: int) -> Boxes3D:
    """Detections of one frame in the camera frame, with stated noise."""
    kind = rows[:, 15].astype(np.intp)
    scale = np.array([LOGIT_SCALE[name] for name in CLASSES])[kind]
    noise = np.diag([POSITION_M**2] * 3 + [ROTATION_RAD**2] * 3)
    return camera_boxes(
        rows[:, 7:14],
        stamp_ns=stamp_ns,
        score=1 / (1 + np.exp(-(rows[:, 6] - scale[:, 0]) / scale[:, 1])),
        class_probs=np.eye(len(CLASSES))[kind],
        covariance=np.tile(noise, (len(rows), 1, 1)),
    )


def camera_boxes(
    hwl_xyz_ry: FloatArray,
    *,
    stamp_ns: int = 0,
    score: FloatArray | None = None,
    class_probs: FloatArray | None = None,
    covariance: FloatArray | None = None,
) -> Boxes3D:
    """KITTI's box (height, width, length, bottom centre, turn about down) as ours."""
    num = len(hwl_xyz_ry)
    height, turn = hwl_xyz_ry[:, 0], hwl_xyz_ry[:, 6]
    cosine, sine, zero = np.cos(turn), np.sin(turn), np.zeros(num)
    axes = np.empty((num, 3, 3))
    axes[:, :, 0] = np.stack([cosine, zero, -sine], axis=1)
    axes[:, :, 1] = np.stack([sine, zero, cosine], axis=1)
    axes[:, :, 2] = [0.0, -1.0, 0.0]
    center_m = hwl_xyz_ry[:, 3:6].copy()
    center_m[:, 1] -= height / 2
    return Boxes3D(
        frame_id="camera",
        stamp_ns=stamp_ns,
        center_m=center_m,
        quat_xyzw=quat_from_matrix(axes),
        size_lwh_m=hwl_xyz_ry[:, [2, 1, 0]],
        covariance=np.zeros((num, 6, 6)) if covariance is None else covariance,
        score=np.ones(num) if score is None else score,
        classes=CLASSES,
        class_probs=np.eye(3)[np.zeros(num, dtype=int)] if class_probs is None else class_probs,
        sensors=(("lidar",),) * num,
    )


def kitti_rows(boxes: Boxes3D) -> FloatArray:
    """Our boxes in the camera frame as KITTI's seven numbers; tilt is left out."""
    ahead = matrix_from_quat(boxes.quat_xyzw)[:, :, 0]
    height = boxes.size_lwh_m[:, 2]
    bottom = boxes.center_m + np.stack([0 * height, height / 2, 0 * height], axis=1)
    turn = np.arctan2(-ahead[:, 2], ahead[:, 0])
    return np.column_stack([boxes.size_lwh_m[:, [2, 1, 0]], bottom, turn])


def image_boxes(boxes: Boxes3D, projection: FloatArray) -> FloatArray:
    """Rectangles around the corners ahead of the camera, clipped to the image."""
    points = corners(boxes)
    uvw = points @ projection[:, :3].T + projection[:, 3]
    depth = np.maximum(uvw[..., 2:], 0.1)
    uv = np.clip(uvw[..., :2] / depth, 0.0, IMAGE_PX - 1)
    return np.concatenate([uv.min(axis=1), uv.max(axis=1)], axis=1).reshape(-1, 4)


def track(sequence: Sequence, config: TrackerConfig) -> tuple[list[TrackedObjects], float]:
    """The tracked list of each frame, in odom, and the seconds the tracker itself took."""
    inputs = [
        transform_boxes(boxes, odom_from_camera)
        for boxes, odom_from_camera in zip(sequence.frames, sequence.odom_from_camera, strict=True)
    ]
    tracker = Tracker(config, Journal())
    start = time.perf_counter()
    results = [tracker.update(boxes) for boxes in inputs]
    seconds = time.perf_counter() - start
    return [result for result in results if result is not None], seconds


def judged(sequence: Sequence, results: list[TrackedObjects], kind: str, *, flat: bool) -> Any:
    """TrackEval's input for one class (its ``get_preprocessed_seq_data``, for 3-D as well)."""
    truth = sequence.truth
    names: dict[Any, int] = {}
    data: dict[str, Any] = {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}
    for frame, objects in enumerate(results):
        boxes = transform_boxes(objects.boxes, sequence.odom_from_camera[frame].inverse())
        seen = image_boxes(boxes, sequence.projection)
        mine = np.array([label == kind for label in boxes.labels], dtype=bool)
        mine &= (seen[:, 2] > seen[:, 0]) & (seen[:, 3] > seen[:, 1])
        boxes, seen = boxes.rows(mine), seen[mine]
        ids = np.array([names.setdefault(one, len(names)) for one in objects.ids], dtype=int)[mine]

        here = truth.frame == frame
        wanted = here & np.isin(truth.kind, [kind, *NEIGHBOURS[kind]])
        regions = truth.xyxy_px[here & (truth.kind == "dontcare")]
        if flat:
            similarity = iou_2d(truth.xyxy_px[wanted], seen)
        else:
            similarity = iou_3d(
                camera_boxes(truth.hwl_xyz_ry[wanted]), camera_boxes(kitti_rows(boxes))
            )
        counts = (
            (truth.kind[wanted] == kind)
            & (truth.occluded[wanted] <= MAX_OCCLUSION)
            & (truth.truncated[wanted] <= MAX_TRUNCATION)
        )
        keep = ~_neither_hit_nor_miss(similarity, counts, seen, regions)
        data["gt_ids"].append(truth.track[wanted][counts])
        data["tracker_ids"].append(ids[keep])
        data["similarity_scores"].append(similarity[counts][:, keep])
    return _numbered(data)


def _neither_hit_nor_miss(
    similarity: FloatArray, counts: NDArray[np.bool_], seen: FloatArray, regions: FloatArray
) -> NDArray[np.bool_]:
    matched = np.where(similarity >= MIN_MATCH, similarity, 0.0)
    rows, columns = linear_sum_assignment(-matched)
    good = matched[rows, columns] > 0
    rows, columns = rows[good], columns[good]
    free = np.ones(len(seen), dtype=bool)
    free[columns] = False
    low = seen[:, 3] - seen[:, 1] <= MIN_HEIGHT_PX
    width = np.minimum(seen[:, None, 2:], regions[None, :, 2:]) - np.maximum(
        seen[:, None, :2], regions[None, :, :2]
    )
    area = np.prod(seen[:, 2:] - seen[:, :2], axis=1)
    share = np.prod(np.maximum(width, 0), axis=2) / np.maximum(area, 1e-9)[:, None]
    ignored = free & (low | (share > 0.5).any(axis=1))
    ignored[columns[~counts[rows]]] = True
    return ignored


def _numbered(data: dict[str, Any]) -> dict[str, Any]:
    for side in ("gt", "tracker"):
        found = np.unique(np.concatenate(data[f"{side}_ids"]).astype(int))
        data[f"{side}_ids"] = [np.searchsorted(found, ids) for ids in data[f"{side}_ids"]]
        data[f"num_{side}_ids"] = len(found)
        data[f"num_{side}_dets"] = sum(len(ids) for ids in data[f"{side}_ids"])
    data["num_timesteps"] = len(data["gt_ids"])
    return data


def scores(by_sequence: dict[str, Any]) -> dict[str, float]:
    """The usual numbers over all sequences together, in percent or counts."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    quiet = {"PRINT_CONFIG": False}
    found: dict[str, float] = {}
    for metric in (HOTA(), CLEAR(quiet), Identity(quiet)):
        parts = {name: metric.eval_sequence(data) for name, data in by_sequence.items()}
        total = metric.combine_sequences(parts)
        for name in ("HOTA", "DetA", "AssA", "LocA", "MOTA", "IDF1"):
            if name in total:
                found[name] = round(100 * float(np.mean(total[name])), 2)
        for name in ("IDSW", "Frag", "CLR_FP", "CLR_FN"):
            if name in total:
                found[name] = int(total[name])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sequences", nargs="+", default=VALIDATION)
    parser.add_argument("--repeats", type=int, default=3, help="timed runs; the median counts")
    args = parser.parse_args()

    sequences = [read_sequence(args.data, name) for name in args.sequences]
    config = TrackerConfig()
    results = {one.name: track(one, config)[0] for one in sequences}
    seconds = np.median(
        [sum(track(one, config)[1] for one in sequences) for _ in range(args.repeats)]
    )
    num_frames = sum(len(one.frames) for one in sequences)
    table = {
        f"{kind} {'2-D' if flat else '3-D'}": scores(
            {one.name: judged(one, results[one.name], kind, flat=flat) for one in sequences}
        )
        for kind in CLASSES
        for flat in (False, True)
    }
    print(json.dumps({"frames_per_s": round(num_frames / seconds, 1), **table}, indent=1))


if __name__ == "__main__":
    main()
