from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.kitti.calibration import RECT, read_calibration
from perception_stack.io.kitti.detections import read_detections_3d
from perception_stack.io.kitti.labels import read_tracking_labels
from perception_stack.io.kitti.poses import FIRST_CAMERA, read_poses
from perception_stack.io.kitti.stamps import stamp_of_frame
from perception_stack.journal import Journal
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.tracker import Tracker


@pytest.fixture(scope="module")
def drive(data_dir: Path) -> Path:
    folder = data_dir / "kitti_drive_0005_seq_0000"
    if not folder.is_dir():
        pytest.skip(f"no {folder.name} in the data folder")
    return folder


def test_the_cyclist_ahead_is_one_object_throughout(drive):
    calibration = read_calibration(drive / "calib" / "0000.txt")
    detections = read_detections_3d(drive / "detection" / "pointrcnn_Cyclist" / "0000.txt")
    labels = read_tracking_labels(drive / "label_02" / "0000.txt")
    odom_from_first = RigidTransform(
        target="odom",
        source=FIRST_CAMERA,
        rotation=np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
        translation_m=np.zeros(3),
    )
    noise = np.diag([0.1**2] * 6)
    tracker = Tracker(TrackerConfig.for_calibrated_scores(), Journal())
    ids, errors_m = [], []
    for frame, pose in enumerate(read_poses(drive / "orbslam3_pose" / "0000.txt")):
        odom_from_rect = odom_from_first @ pose @ calibration.camera_from_rect
        boxes = Boxes3D.empty(frame_id=RECT, stamp_ns=stamp_of_frame(frame))
        if frame in detections:
            found, logits = detections[frame]
            boxes = replace(
                found,
                score=1 / (1 + np.exp(-(logits - 3.5) / 0.8)),
                covariance=np.tile(noise, (len(found), 1, 1)),
            )
        objects = tracker.update(transform_boxes(boxes, odom_from_rect))
        truth = transform_boxes(labels[frame].boxes, odom_from_rect)
        place = truth.center_m[truth.labels.index("cyclist")]
        distance_m = np.linalg.norm(objects.boxes.center_m - place, axis=1)
        if distance_m.min(initial=np.inf) < 2.0:
            nearest = int(np.argmin(distance_m))
            ids.append(objects.ids[nearest])
            errors_m.append(distance_m[nearest])
    assert len(ids) >= 75
    assert len(set(ids)) == 1
    assert np.median(errors_m) < 0.15
