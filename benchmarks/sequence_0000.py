"""Tracks of KITTI's sequence 0000 (drive 0005): LiDAR clusters alone, and fused with a camera.

Scans and the published 2-D detections of RRC go through detector, fusion and tracker; ego motion
is that of ORB-SLAM3. The same tracker runs without the camera, with it, and with a detector that
is taken to call nothing by another name (RRC knows cars and pedestrians; cyclists and vans are
what it calls so)::

    OMP_NUM_THREADS=1 python benchmarks/sequence_0000.py --data ../shared/data

Judged are all labelled objects whatever they are called, a hit being a centre within 2 m in the
ground plane, and by KITTI's own rules cyclists and pedestrians, by overlap in the image. Vans, the
only vehicles labelled, are not scored by the latter. Nothing is held against anybody where KITTI
labels nothing: out of the image and in its DontCare regions. Tracks of class unknown are no false
alarms, as truth names only things of known classes; "list" is how many tracks a frame has in all.

Most false alarms are a dozen hedges and bushes that are close to the size of something named, so
what a change gives in one run is mostly chance. ``--repeats`` runs it that often more, each time
without another 2 % of the points, and prints means and deviations of all these runs::

    OMP_NUM_THREADS=1 python benchmarks/sequence_0000.py --data ../shared/data --repeats 5
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_stack.datatypes import (
    UNKNOWN,
    Boxes3D,
    Detections2D,
    Obstacles,
    TrackedObjects,
)
from perception_stack.evaluation.config import EvaluationConfig
from perception_stack.evaluation.evaluate import TrackScores, evaluate_tracking
from perception_stack.evaluation.kitti.evaluate import SequencePair, evaluate_kitti
from perception_stack.evaluation.truth import LabelledView, TruthFrame
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.fusion import Fusion
from perception_stack.fusion.sight import CameraView
from perception_stack.geometry.boxes import points_inside, transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.kitti.calibration import read_calibration
from perception_stack.io.kitti.detections import read_detections_2d
from perception_stack.io.kitti.labels import KittiLabels, read_tracking_labels
from perception_stack.io.kitti.scans import read_scan
from perception_stack.io.kitti.sequences import TrackingSequence, read_sequence
from perception_stack.io.kitti.stamps import stamp_of_frame
from perception_stack.io.kitti.tracks import tracks_in_image
from perception_stack.io.track_numbers import TrackNumbers
from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.sight import Sight
from perception_stack.tracking.space.tracker import Tracker

NAME = "0000"
UP = np.array([0.0, 0.0, 1.0])
RRC = ("car", "pedestrian")
LEFT_OUT = 0.02  # of the points, in all runs but the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is known of one instant; labels are for the judge alone."""

    number: int
    obstacles: Obstacles
    detections: Detections2D | None
    labels: KittiLabels
    fixed_from_lidar: RigidTransform


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """The frames that have a scan and labels, and what does not change."""

    sequence: TrackingSequence
    camera: CameraModel
    camera_from_lidar: RigidTransform
    frames: list[Frame]


def read_drive(data: Path, *, run: int = 0) -> Drive:
    root = data / "kitti_drive_0005_seq_0000"
    sequence = read_sequence(root, NAME, fixed_frame="odom")
    calibration = read_calibration(root / "calib" / f"{NAME}.txt")
    labels = read_tracking_labels(root / "label_02" / f"{NAME}.txt")
    published = read_detections_2d(
        {one: root / "detection" / f"rrc2d_{one.title()}" / f"{NAME}.txt" for one in RRC}
    )
    # the labels' frame is that of the detections in three dimensions
    rect_from_lidar = calibration.camera_from_rect.inverse() @ calibration.camera_from_velodyne
    detector = LidarDetector(LidarDetectorConfig(), Journal())
    frames = []
    for path in sorted((root / "velodyne_fov").glob("*.bin")):
        number = int(path.stem)
        cloud = read_scan(path, stamp_ns=stamp_of_frame(number))
        if run > 0:
            random = np.random.default_rng((run, number))
            cloud = cloud.rows(random.random(len(cloud)) >= LEFT_OUT)
        frames.append(
            Frame(
                number=number,
                obstacles=detector.detect(cloud),
                detections=published.get(number),
                labels=labels[number],
                fixed_from_lidar=sequence.fixed_from_rect[number] @ rect_from_lidar,
            )
        )
    return Drive(
        sequence=sequence,
        camera=sequence.camera,
        camera_from_lidar=calibration.camera_from_velodyne,
        frames=frames,
    )


def fused(drive: Drive, config: FusionConfig) -> list[Boxes3D]:
    fusion = Fusion(config, Journal())
    boxes = []
    for frame in drive.frames:
        views = []
        if frame.detections is not None:
            views.append(
                CameraView(
                    name="camera",
                    camera=drive.camera,
                    detections=frame.detections,
                    camera_from_obstacles=drive.camera_from_lidar,
                )
            )
        boxes.append(fusion.fuse(frame.obstacles, views, up=UP))
    return boxes


def tracked(drive: Drive, boxes: list[Boxes3D], config: TrackerConfig) -> list[TrackedObjects]:
    tracker = Tracker(config, Journal())
    lists = []
    for frame, found in zip(drive.frames, boxes, strict=True):
        pose = frame.fixed_from_lidar
        sight = Sight(origin_m=pose.translation_m, ahead=np.array([1.0, 0.0, 0.0]))
        objects = tracker.update(transform_boxes(found, pose), sight=sight)
        assert objects is not None
        lists.append(objects)
    return lists


def truth_of(drive: Drive) -> list[TruthFrame]:
    """Labels in the fixed frame; a label without a single point is not asked for."""
    truth = []
    for frame in drive.frames:
        lidar_from_rect = (
            frame.fixed_from_lidar.inverse() @ drive.sequence.fixed_from_rect[frame.number]
        )
        boxes = transform_boxes(frame.labels.boxes, lidar_from_rect)
        num_points = points_inside(frame.obstacles.xyz_m.astype(np.float64), boxes).sum(axis=1)
        fixed = transform_boxes(boxes, frame.fixed_from_lidar)
        truth.append(
            TruthFrame(
                boxes=fixed,
                ids=tuple(str(one) for one in frame.labels.ids),
                ignored=num_points == 0,
                sensor_m=frame.fixed_from_lidar.translation_m,
                view=LabelledView(
                    camera=drive.camera,
                    camera_from_truth=drive.camera_from_lidar @ frame.fixed_from_lidar.inverse(),
                    regions_px=frame.labels.dont_care_xyxy_px,
                ),
            )
        )
    return truth


def line(scores: TrackScores) -> str:
    clear = scores.clear
    hota = scores.hota.as_dict()
    return (
        f"HOTA {100 * hota['hota']:5.1f} DetA {100 * hota['det_a']:5.1f} "
        f"AssA {100 * hota['ass_a']:5.1f} MOTA {100 * clear.mota:6.1f} "
        f"MOTP {100 * clear.motp:5.1f} IDF1 {100 * scores.identity.idf1:5.1f} "
        f"switches {clear.switches} false {clear.false_positives} missed {clear.misses}"
    )


def kitti_pair(drive: Drive, lists: list[TrackedObjects]) -> SequencePair:
    numbers = TrackNumbers()
    return SequencePair(
        labels={frame.number: frame.labels for frame in drive.frames},
        tracks={
            frame.number: tracks_in_image(
                objects,
                rect_from_fixed=drive.sequence.fixed_from_rect[frame.number].inverse(),
                camera_from_rect=drive.sequence.camera_from_rect,
                camera=drive.camera,
                numbers=numbers,
            )
            for frame, objects in zip(drive.frames, lists, strict=True)
        },
    )


def report(name: str, drive: Drive, truth: list[TruthFrame], lists: list[TrackedObjects]) -> None:
    num = np.mean([len(one) for one in lists])
    known = np.mean([sum(label != UNKNOWN for label in one.boxes.labels) for one in lists])
    print(f"\n{name}: list {num:.0f}, {known:.1f} of them of a known class")
    scores = evaluate_tracking(truth, lists, EvaluationConfig())
    print(f"  all classes, 2 m         {line(scores.any_class)}")
    strict = evaluate_tracking(truth, lists, EvaluationConfig(similarity="iou_bev"))
    print(f"  all classes, IoU 0.25    {line(strict.any_class)}")
    pair = kitti_pair(drive, lists)
    for kind in ("cyclist", "pedestrian"):
        found = evaluate_kitti([pair], class_name=kind, similarity="2d")
        print(f"  {kind:10} KITTI, 2-D   {line(found)}")


def variants(drive: Drive) -> dict[str, list[Boxes3D]]:
    unshared = FusionConfig(camera_classes=RRC, camera_aliases=())
    return {
        "clusters alone": [frame.obstacles.boxes for frame in drive.frames],
        "fused with RRC": fused(drive, FusionConfig(camera_classes=RRC)),
        "fused, names not shared": fused(drive, unshared),
    }


def repeat(data: Path, num: int) -> None:
    """Print means and deviations over the whole drive and ``num`` thinned ones."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for run in range(num + 1):
        drive = read_drive(data, run=run)
        truth = truth_of(drive)
        for name, boxes in variants(drive).items():
            lists = tracked(drive, boxes, TrackerConfig())
            scores = evaluate_tracking(truth, lists, EvaluationConfig()).any_class
            pair = kitti_pair(drive, lists)
            cyclists = evaluate_kitti([pair], class_name="cyclist", similarity="2d")
            hota = (100 * one.hota.as_dict()["hota"] for one in (scores, cyclists))
            false = (one.clear.false_positives for one in (scores, cyclists))
            found.setdefault(name, []).append((*hota, *false, scores.clear.misses))
    print(f"\nmean and deviation of {num + 1} runs")
    for name, rows in found.items():
        each = zip(np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1), strict=True)
        hota, cyclist, false, cyclist_false, missed = (f"{m:5.1f} ± {d:4.1f}" for m, d in each)
        print(
            f"  {name:24} HOTA {hota} false {false} missed {missed}; "
            f"cyclists, KITTI, HOTA {cyclist} false {cyclist_false}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--repeats", type=int, default=0, help="further runs, with fewer points")
    arguments = parser.parse_args()
    drive = read_drive(arguments.data)
    truth = truth_of(drive)
    for name, boxes in variants(drive).items():
        report(name, drive, truth, tracked(drive, boxes, TrackerConfig()))
    if arguments.repeats:
        repeat(arguments.data, arguments.repeats)


if __name__ == "__main__":
    main()
