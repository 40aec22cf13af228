"""LiDAR and camera together on real and on simulated streets; the benchmark has all numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from perception_stack.datatypes import Boxes3D, Detections2D, PointCloud
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.fusion import Fusion
from perception_stack.fusion.sight import CameraView
from perception_stack.geometry.boxes import points_inside, transform_boxes
from perception_stack.geometry.transforms import yaw_from_quat
from perception_stack.io.kitti.calibration import CAMERA, read_calibration
from perception_stack.io.kitti.labels import read_object_labels
from perception_stack.io.kitti.scans import read_scan
from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.simulation.road import RoadConfig, road_scene

UP = np.array([0.0, 0.0, 1.0])


def fused_with_clusters(cloud: PointCloud, view: CameraView) -> tuple[Boxes3D, Boxes3D]:
    obstacles = LidarDetector(LidarDetectorConfig(), Journal()).detect(cloud)
    fused = Fusion(FusionConfig(), Journal()).fuse(obstacles, (view,), up=UP)
    return fused, obstacles.boxes


def countable(truth: Boxes3D, cloud: PointCloud) -> Boxes3D:
    """Objects within 30 m with 20 points."""
    num_points = points_inside(cloud.xyz_m.astype(np.float64), truth).sum(axis=1)
    near = np.linalg.norm(truth.center_m[:, :2], axis=1) < 30
    return truth.rows(near & (num_points >= 20))


def nearest(boxes: Boxes3D, truth: Boxes3D) -> tuple[np.ndarray, Boxes3D]:
    """Distance from above to the box nearest to each true one, and those boxes."""
    offset_m = truth.center_m[:, None, :2] - boxes.center_m[None, :, :2]
    away_m = np.linalg.norm(offset_m, axis=2)
    best = away_m.argmin(axis=1)
    return away_m[np.arange(len(truth)), best], boxes.rows(best)


def is_named(boxes: Boxes3D, truth: Boxes3D) -> list[bool]:
    """Whether a box of the same class stands within 1 m of each true one."""
    error_m, best = nearest(boxes, truth)
    same = [one == other for one, other in zip(best.labels, truth.labels, strict=True)]
    return ((error_m < 1.0) & same).tolist()


def test_cars_of_kitti(data_dir: Path) -> None:
    """Goals: median centre error 0.25 m, yaw 10 degrees; 85 % within 1 m."""
    root = data_dir / "kitti_object" / "training"
    away_m, turn, named = [], [], []
    for path in sorted((root / "velodyne").glob("*.bin")):
        calibration = read_calibration(root / "calib" / f"{path.stem}.txt")
        labels = read_object_labels(root / "label_2" / f"{path.stem}.txt", stamp_ns=0)
        camera_from_lidar = calibration.camera_from_velodyne
        # the label's own 2-D boxes stand for a detector without fault
        kept = np.isin(labels.boxes.labels, ["car", "cyclist", "pedestrian", "truck"])
        detections = Detections2D(
            frame_id=CAMERA,
            stamp_ns=0,
            xyxy_px=labels.xyxy_px[kept],
            score=np.full(np.count_nonzero(kept), 0.9),
            labels=tuple(np.array(labels.boxes.labels)[kept].tolist()),
        )
        view = CameraView(
            name="camera",
            camera=calibration.camera(width_px=1242, height_px=375),
            detections=detections,
            camera_from_obstacles=camera_from_lidar,
        )
        cloud = read_scan(path, stamp_ns=0)
        truth = replace(labels.boxes, frame_id=camera_from_lidar.target)
        truth = countable(transform_boxes(truth, camera_from_lidar.inverse()), cloud)
        truth = truth.rows(np.array([one == "car" for one in truth.labels], dtype=np.bool_))
        if len(truth):
            error_m, boxes = nearest(fused_with_clusters(cloud, view)[0], truth)
            away_m += error_m.tolist()
            turn += (yaw_from_quat(boxes.quat_xyzw) - yaw_from_quat(truth.quat_xyzw)).tolist()
            named += [one == "car" for one in boxes.labels]
    yaw = np.abs((np.array(turn) + np.pi / 2) % np.pi - np.pi / 2)
    assert len(away_m) == 14
    assert np.mean(np.array(away_m) < 1.0) >= 0.85
    assert np.median(away_m) < 0.25
    assert np.rad2deg(np.median(yaw)) < 5
    assert np.mean(named) > 0.9


def test_simulated_street() -> None:
    """The camera names what the LiDAR found, finds more of it, and makes little up."""
    scene = road_scene(RoadConfig(seed=41, num_frames=21))
    base_from_lidar, base_from_camera = scene.static_transforms
    found: list[bool] = []
    found_alone: list[bool] = []
    num_ghosts = 0
    for number in (0, 10, 20):
        frame = scene.frame(number)
        (world_from_base,) = frame.transforms
        truth = transform_boxes(frame.truth, (world_from_base @ base_from_lidar).inverse())
        view = CameraView(
            name="camera",
            camera=frame.camera,
            detections=frame.detections_2d,
            camera_from_obstacles=base_from_camera.inverse() @ base_from_lidar,
        )
        fused, alone = fused_with_clusters(frame.cloud, view)
        seen = truth.rows(frame.visibility.image_occluded < 0.4)
        wanted = countable(seen, frame.cloud)
        found += is_named(fused, wanted)
        found_alone += is_named(alone, wanted)
        confirmed = np.array(["camera" in one for one in fused.sensors]) & (fused.score > 0.5)
        error_m, _ = nearest(truth, fused.rows(confirmed))
        num_ghosts += int(np.count_nonzero(error_m > 2.5))
    assert len(found) > 20
    assert np.mean(found) > 0.85
    assert np.mean(found) > np.mean(found_alone) + 0.1
    assert num_ghosts <= 2
