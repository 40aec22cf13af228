"""The tracker on KITTI tracking sequences: HOTA, CLEAR, identity switches and frames per second.

PointRCNN detections and ORB-SLAM3 ego poses of the data folder go in; the judge is TrackEval with
KITTI's rules for ignored objects, with 3-D or 2-D overlap as similarity::

    python benchmarks/tracking.py --data ../shared/data
    python benchmarks/tracking.py --data ../shared/data --sequences 0003 0000

The parameters were chosen on sequences 0003 and 0000, but the six others, which are the default,
were looked at on the way: their scores are no blind result.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray, TrackedObjects
from perception_stack.evaluation.matching import assign
from perception_stack.geometry.boxes import project_boxes, transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.overlap import intersection_2d_px2, iou_2d, iou_3d
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.kitti.calibration import RECT, read_calibration
from perception_stack.io.kitti.detections import read_detections_3d
from perception_stack.io.kitti.labels import (
    KittiLabels,
    boxes_from_kitti,
    read_tracking_labels,
    yaw_camera_from_quat,
)
from perception_stack.io.kitti.poses import FIRST_CAMERA, read_poses
from perception_stack.io.kitti.stamps import stamp_of_frame
from perception_stack.journal import Journal
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.tracker import Tracker

VALIDATION = ("0006", "0010", "0012", "0014", "0016", "0018")
CLASSES = ("car", "cyclist", "pedestrian")

# PointRCNN gives logits. (logit - first) / second is the log odds of an object being within 1 m,
# by logistic regression on 0003 and 0000; of cyclists 0000 has too few errors to fit the second
LOGIT_SCALE = {"car": (2.7, 1.1), "cyclist": (3.5, 0.8), "pedestrian": (3.2, 0.8)}
# standard deviations of a PointRCNN box along and about every axis
POSITION_M, ROTATION_RAD = 0.1, 0.1

# the limits of KITTI's 2-D evaluation; neighbours are neither wanted nor wrong
NEIGHBOURS = {"car": "van", "cyclist": "", "pedestrian": "person"}
MAX_OCCLUSION, MAX_TRUNCATION, MIN_HEIGHT_PX, MIN_MATCH, MAX_REGION = 2, 0, 25.0, 0.5, 0.5

BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
WIDTH_PX, HEIGHT_PX = 1242, 375


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """One sequence; boxes and labels are in the rectified camera's frame, one entry per frame."""

    name: str
    detections: list[Boxes3D]
    odom_from_rect: list[RigidTransform]
    camera: CameraModel
    camera_from_rect: RigidTransform
    labels: dict[int, KittiLabels]


def read_drive(data: Path, name: str) -> Drive:
    """A sequence of either data folder."""
    root = data / ("kitti_drive_0005_seq_0000" if name == "0000" else "kitti_tracking")
    file = f"{name}.txt"
    calibration = read_calibration(root / "calib" / file)
    odom_from_first = RigidTransform(
        target="odom",
        source=FIRST_CAMERA,
        rotation=BODY_FROM_OPTICAL,
        translation_m=np.zeros(3),
    )
    poses = read_poses(root / "orbslam3_pose" / file)
    paths = [root / "detection" / f"pointrcnn_{kind.capitalize()}" / file for kind in CLASSES]
    detections = read_detections_3d(*(path for path in paths if path.exists()))
    return Drive(
        name=name,
        detections=[
            stated(*detections[frame])
            if frame in detections
            else Boxes3D.empty(frame_id=RECT, stamp_ns=stamp_of_frame(frame))
            for frame in range(len(poses))
        ],
        odom_from_rect=[odom_from_first @ pose @ calibration.camera_from_rect for pose in poses],
        camera=calibration.camera(width_px=WIDTH_PX, height_px=HEIGHT_PX),
        camera_from_rect=calibration.camera_from_rect,
        labels=read_tracking_labels(root / "label_02" / file),
    )


def stated(boxes: Boxes3D, logits: FloatArray) -> Boxes3D:
    """Detections with a score that is a probability, and with their noise."""
    scale = np.array([LOGIT_SCALE[label] for label in boxes.labels])
    noise = np.diag([POSITION_M**2] * 3 + [ROTATION_RAD**2] * 3)
    return replace(
        boxes,
        score=1 / (1 + np.exp(-(logits - scale[:, 0]) / scale[:, 1])),
        covariance=np.tile(noise, (len(boxes), 1, 1)),
        sensors=(("lidar",),) * len(boxes),
    )


def track(drive: Drive, config: TrackerConfig) -> tuple[list[TrackedObjects], float]:
    """The tracked list of each frame, in odom, and the seconds the tracker itself took."""
    inputs = [
        transform_boxes(boxes, odom_from_rect)
        for boxes, odom_from_rect in zip(drive.detections, drive.odom_from_rect, strict=True)
    ]
    tracker = Tracker(config, Journal())
    tracker.warm_up()
    start = time.perf_counter()
    results = [tracker.update(boxes) for boxes in inputs]
    seconds = time.perf_counter() - start
    return [result for result in results if result is not None], seconds


def judged(drive: Drive, results: list[TrackedObjects], kind: str, *, flat: bool) -> Any:
    """What TrackEval wants for one class, with ``flat`` by overlap in the image."""
    numbers: dict[Any, int] = {}
    data: dict[str, Any] = {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}
    for frame, objects in enumerate(results):
        boxes, ids, seen_px = seen(drive, frame, objects, kind, numbers)
        labels = drive.labels.get(frame)
        if labels is None:
            labels = nothing_labelled(objects.stamp_ns)
        names = np.array(labels.boxes.labels, dtype=str)
        wanted = np.isin(names, [kind, NEIGHBOURS[kind]])
        if flat:
            similarity = iou_2d(labels.xyxy_px[wanted], seen_px)
        else:
            similarity = iou_3d(labels.boxes.rows(wanted), boxes)
        counts = (
            (names == kind)
            & (labels.occlusion <= MAX_OCCLUSION)
            & (labels.truncation <= MAX_TRUNCATION)
        )[wanted]
        keep = ~ignored(similarity, counts, seen_px, labels.dont_care_xyxy_px)
        data["gt_ids"].append(np.array(labels.ids, dtype=int)[wanted][counts])
        data["tracker_ids"].append(ids[keep])
        data["similarity_scores"].append(similarity[counts][:, keep])
    return renumbered(data)


def seen(
    drive: Drive, frame: int, objects: TrackedObjects, kind: str, numbers: dict[Any, int]
) -> tuple[Boxes3D, NDArray[np.int64], FloatArray]:
    """Boxes of one class in the image, as a KITTI result file could hold them: without tilt."""
    if len(objects) == 0:
        return (
            Boxes3D.empty(frame_id=RECT, stamp_ns=objects.stamp_ns),
            np.empty(0, dtype=np.int64),
            np.empty((0, 4)),
        )
    boxes = transform_boxes(objects.boxes, drive.odom_from_rect[frame].inverse())
    xyxy_px, visible = project_boxes(transform_boxes(boxes, drive.camera_from_rect), drive.camera)
    mine = visible & np.array([label == kind for label in boxes.labels], dtype=bool)
    ids = np.array([numbers.setdefault(one, len(numbers)) for one in objects.ids], dtype=int)
    boxes = boxes.rows(mine)
    height_m = boxes.size_lwh_m[:, 2:]
    bottom_m = boxes.center_m + height_m / 2 * np.array([0.0, 1.0, 0.0])
    level = boxes_from_kitti(
        np.column_stack(
            [boxes.size_lwh_m[:, ::-1], bottom_m, yaw_camera_from_quat(boxes.quat_xyzw)]
        ),
        boxes.labels,
        score=boxes.score,
        stamp_ns=boxes.stamp_ns,
    )
    return level, ids[mine], xyxy_px[mine]


def nothing_labelled(stamp_ns: int) -> KittiLabels:
    """Labels of a frame that the file does not name."""
    return KittiLabels(
        boxes=Boxes3D.empty(frame_id=RECT, stamp_ns=stamp_ns),
        ids=(),
        xyxy_px=np.empty((0, 4)),
        truncation=np.empty(0),
        occlusion=np.empty(0, dtype=np.int64),
        dont_care_xyxy_px=np.empty((0, 4)),
    )


def ignored(
    similarity: FloatArray, counts: NDArray[np.bool_], seen_px: FloatArray, regions: FloatArray
) -> NDArray[np.bool_]:
    """Objects that are neither hits nor false, by the rules of TrackEval's KITTI data set."""
    rows, columns = assign(similarity, threshold=MIN_MATCH)
    free = np.ones(len(seen_px), dtype=bool)
    free[columns] = False
    side_px = seen_px[:, 2:] - seen_px[:, :2]
    share = intersection_2d_px2(seen_px, regions) / np.prod(side_px, axis=1)[:, None]
    unlabelled = (side_px[:, 1] <= MIN_HEIGHT_PX) | (share > MAX_REGION).any(axis=1)
    leave: NDArray[np.bool_] = free & unlabelled
    leave[columns[~counts[rows]]] = True
    return leave


def renumbered(data: dict[str, Any]) -> dict[str, Any]:
    """With identities counted from zero, and the totals that TrackEval wants."""
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


def frames_per_s(drives: list[Drive], config: TrackerConfig, repeats: int) -> float:
    """Rate of the tracker alone, all classes at once; the median of some runs."""
    seconds = np.median([sum(track(one, config)[1] for one in drives) for _ in range(repeats)])
    return round(sum(len(one.detections) for one in drives) / float(seconds), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sequences", nargs="+", default=VALIDATION)
    parser.add_argument("--repeats", type=int, default=5, help="timed runs")
    args = parser.parse_args()

    drives = [read_drive(args.data, name) for name in args.sequences]
    config = TrackerConfig()
    results = {one.name: track(one, config)[0] for one in drives}
    table: dict[str, Any] = {"frames_per_s": frames_per_s(drives, config, args.repeats)}
    for kind in CLASSES:
        for flat in (False, True):
            data = {one.name: judged(one, results[one.name], kind, flat=flat) for one in drives}
            table[f"{kind} {'2-D' if flat else '3-D'}"] = scores(data)
    json.dump(table, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
