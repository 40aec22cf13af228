"""LiDAR clusters alone against clusters fused with cameras, on real frames and simulated streets.

For each set the same obstacles are judged: as the LiDAR made them, fused without and
fused with the completion of hidden sides by the camera's class. "As seen" is the rectangle around
each cluster's points, without any completion::

    OMP_NUM_THREADS=1 python benchmarks/fusion.py --data ../shared/data

A labelled object counts if at least 20 points of the scan lie in its box, it stands within 30 m
and a camera sees it. It is *found* when the centre of a box is within 1 m seen from above. Errors
are medians over all that count, of the box whose centre is nearest, so what was not found counts
as far off. Yaw is compared up to a half turn. "In ellipse" is the share of boxes within 2 m whose
stated covariance puts the true centre into its 90 % ellipse. *Ghosts* are boxes of a known class
that a camera confirmed, more probable than not, within 30 m and farther than 2 m from everything
labelled. A van counts as a truck. Times are those of the processor, the same work without points
beside them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from perception_stack.datatypes import (
    UNKNOWN,
    Boxes3D,
    ColorImage,
    Detections2D,
    FloatArray,
    Obstacles,
    PointCloud,
)
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.fusion import Fusion
from perception_stack.fusion.sight import CameraView
from perception_stack.geometry.boxes import points_inside, project_boxes, transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.overlap import iou_bev
from perception_stack.geometry.transforms import RigidTransform, quat_from_yaw, yaw_from_quat
from perception_stack.io.kitti.calibration import CAMERA, read_calibration
from perception_stack.io.kitti.detections import read_detections_2d
from perception_stack.io.kitti.labels import read_object_labels, read_tracking_labels
from perception_stack.io.kitti.scans import read_scan
from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.shape.rectangles import fit_rectangles
from perception_stack.simulation.road import RoadConfig, road_scene

CLASSES = ("car", "cyclist", "pedestrian", "truck")
MIN_POINTS, FARTHEST_M = 20, 30.0
RRC = ("car", "pedestrian")  # what that detector was trained to find
FOUND_M, NEAR_M = 1.0, 2.0
LIKELY_90 = 4.605  # chi square of two degrees of freedom
MIN_SCORE = 0.3  # of published detections, as our own manifests have it
REPEATS = 5
UP = np.array([0.0, 0.0, 1.0])
KITTI_CLASSES = {1: "pedestrian", 2: "car", 3: "cyclist"}
NUSCENES_CLASSES = (
    "car",
    "truck",
    "trailer",
    "truck",
    "truck",
    "cyclist",
    "cyclist",
    "pedestrian",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One scan, what cameras see at that time, and what is labelled, in the LiDAR's frame.

    ``truth`` is what counts, ``labelled_m`` float64 [N, 3] the centre of everything labelled.
    """

    cloud: PointCloud
    views: tuple[CameraView, ...]
    truth: Boxes3D
    labelled_m: FloatArray


def yolox(data: Path) -> Detector:
    manifest = Path(__file__).resolve().parent.parent / "config" / "models" / "yolox_nano.yaml"
    config = DetectorConfig(
        model=str(manifest), model_dir=str(data / "checkpoints_2d"), classes=CLASSES
    )
    return Detector(config, Journal())


def object_frames(data: Path, detector: Detector | None) -> Iterator[Frame]:
    """Scans of KITTI's object benchmark, with published detections or those of a network.

    They are whole, but for one of which only the part in the camera's view is there.
    """
    root = data / "kitti_object" / "training"
    published = _published(data / "kitti_object")
    whole = {path.stem: path for path in (root / "velodyne").glob("*.bin")}
    cut = {path.stem: path for path in (root / "velodyne_reduced").glob("*.bin")}
    for _, path in sorted({**cut, **whole}.items()):
        calibration = read_calibration(root / "calib" / f"{path.stem}.txt")
        labels = read_object_labels(root / "label_2" / f"{path.stem}.txt", stamp_ns=0)
        bgr = cv2.imread(str(root / "image_2" / f"{path.stem}.png"))
        camera = calibration.camera(width_px=bgr.shape[1], height_px=bgr.shape[0])
        if detector is None:
            detections = published[path.stem]
        else:
            detections = detector.detect(ColorImage(frame_id=CAMERA, stamp_ns=0, bgr=bgr))
        cloud = read_scan(path, stamp_ns=0)
        yield _frame(cloud, camera, detections, labels.boxes, calibration.camera_from_velodyne)


def drive_frames(data: Path) -> Iterator[Frame]:
    """Drive 0005, where no image but the detections of RRC are published."""
    root = data / "kitti_drive_0005_seq_0000"
    calibration = read_calibration(root / "calib" / "0000.txt")
    labels = read_tracking_labels(root / "label_02" / "0000.txt")
    files = {
        label: root / "detection" / f"rrc2d_{label.title()}" / "0000.txt"
        for label in ("car", "pedestrian")
    }
    published = read_detections_2d(files)
    camera = calibration.camera(width_px=1242, height_px=375)
    for path in sorted((root / "velodyne_fov").glob("*.bin")):
        number = int(path.stem)
        if number in labels and number in published:
            cloud = read_scan(path, stamp_ns=published[number].stamp_ns)
            detections = _strong(published[number])
            truth = labels[number].boxes
            yield _frame(cloud, camera, detections, truth, calibration.camera_from_velodyne)


def nuscenes_frames(data: Path, detector: Detector) -> Iterator[Frame]:
    """One key frame with six cameras."""
    root = data / "nuscenes_sample"
    sample = json.loads((root / "sample_info.json").read_text(encoding="utf-8"))["data_list"][0]
    raw = np.fromfile(root / sample["lidar_points"]["lidar_path"], np.float32).reshape(-1, 5)
    views = []
    for name, one in sample["images"].items():
        bgr = cv2.imread(str(root / one["img_path"]))
        camera = CameraModel.pinhole(
            frame_id=name,
            width_px=bgr.shape[1],
            height_px=bgr.shape[0],
            k=np.array(one["cam2img"]),
        )
        found = detector.detect(ColorImage(frame_id=name, stamp_ns=0, bgr=bgr))
        matrix = np.array(one["lidar2cam"])
        u, _, v = np.linalg.svd(matrix[:3, :3])  # written with too few digits to be a rotation
        transform = RigidTransform(
            target=name, source="lidar", rotation=u @ v, translation_m=matrix[:3, 3]
        )
        views.append(
            CameraView(
                name=f"camera/{name}",
                camera=camera,
                detections=found,
                camera_from_obstacles=transform,
            )
        )
    known = [one for one in sample["instances"] if one["bbox_label_3d"] < len(NUSCENES_CLASSES)]
    table = np.array([one["bbox_3d"] for one in known])
    labels = [NUSCENES_CLASSES[one["bbox_label_3d"]] for one in known]
    truth = _boxes(table[:, :3], table[:, 3:6], table[:, 6], labels)
    cloud = PointCloud(frame_id="lidar", stamp_ns=0, xyz_m=raw[:, :3].copy())
    yield _judged(cloud, tuple(views), truth)


def simulated_frames(seeds: range) -> Iterator[Frame]:
    """Every seed is another street; those from 0 to 7 were looked at during development."""
    for seed in seeds:
        scene = road_scene(RoadConfig(seed=seed, num_frames=21))
        base_from_lidar, base_from_camera = scene.static_transforms
        camera_from_lidar = base_from_camera.inverse() @ base_from_lidar
        for number in (0, 10, 20):
            frame = scene.frame(number)
            (world_from_base,) = frame.transforms
            lidar_from_world = (world_from_base @ base_from_lidar).inverse()
            truth = transform_boxes(frame.truth, lidar_from_world)
            view = CameraView(
                name="camera",
                camera=frame.camera,
                detections=frame.detections_2d,
                camera_from_obstacles=camera_from_lidar,
            )
            if frame.cloud is not None:
                yield _judged(frame.cloud, (view,), truth)


def _published(root: Path) -> dict[str, Detections2D]:
    rows: dict[str, list[list[str]]] = {}
    for path in sorted(root.glob("rgb_detections_*_subset.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, *row = line.split()
            rows.setdefault(Path(name).stem, []).append(row)
    return {
        name: _strong(
            Detections2D(
                frame_id=CAMERA,
                stamp_ns=0,
                xyxy_px=np.array([row[2:6] for row in of_frame], dtype=np.float64),
                score=np.array([row[1] for row in of_frame], dtype=np.float64),
                labels=tuple(KITTI_CLASSES[int(row[0])] for row in of_frame),
            )
        )
        for name, of_frame in rows.items()
    }


def _strong(detections: Detections2D) -> Detections2D:
    kept = np.flatnonzero(detections.score >= MIN_SCORE)
    return replace(
        detections,
        xyxy_px=detections.xyxy_px[kept],
        score=detections.score[kept],
        labels=tuple(detections.labels[i] for i in kept),
    )


def _frame(
    cloud: PointCloud,
    camera: CameraModel,
    detections: Detections2D,
    truth: Boxes3D,
    camera_from_lidar: RigidTransform,
) -> Frame:
    # the labels are in the rectified frame, which is that of the image
    truth = replace(truth, frame_id=camera_from_lidar.target)
    truth = transform_boxes(truth, camera_from_lidar.inverse())
    view = CameraView(
        name="camera",
        camera=camera,
        detections=detections,
        camera_from_obstacles=camera_from_lidar,
    )
    return _judged(cloud, (view,), truth)


def _judged(cloud: PointCloud, views: tuple[CameraView, ...], truth: Boxes3D) -> Frame:
    """The frame with those labels that count."""
    num_points = points_inside(cloud.xyz_m.astype(np.float64), truth).sum(axis=1)
    near = np.linalg.norm(truth.center_m[:, :2], axis=1) <= FARTHEST_M
    labels = np.where(np.array(truth.labels) == "van", "truck", truth.labels)
    seen = np.zeros(len(truth), dtype=np.bool_)
    for view in views:
        in_camera = transform_boxes(truth, view.camera_from_obstacles)
        seen |= project_boxes(in_camera, view.camera)[1]
    wanted = np.isin(labels, CLASSES) & (num_points >= MIN_POINTS) & near & seen
    kept = _boxes(
        truth.center_m[wanted],
        truth.size_lwh_m[wanted],
        yaw_from_quat(truth.quat_xyzw[wanted]),
        list(labels[wanted]),
        frame_id=truth.frame_id,
    )
    return Frame(cloud=cloud, views=views, truth=kept, labelled_m=truth.center_m)


def _boxes(center_m, size_m, yaw_rad, labels, *, frame_id: str = "lidar") -> Boxes3D:
    num = len(labels)
    classes = tuple(dict.fromkeys(NUSCENES_CLASSES))
    probs = np.array([[one == label for one in classes] for label in labels], dtype=np.float64)
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=0,
        center_m=center_m,
        quat_xyzw=quat_from_yaw(yaw_rad),
        size_lwh_m=size_m,
        covariance=np.zeros((num, 6, 6)),
        score=np.ones(num),
        classes=classes,
        class_probs=probs.reshape(num, len(classes)),
        sensors=((),) * num,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How the nearest box fits one labelled object."""

    label: str
    same_label: bool = False
    error_m: float = np.inf
    yaw_deg: float = 90.0
    iou: float = 0.0
    likely: bool = False


def fits(boxes: Boxes3D, truth: Boxes3D) -> list[Fit]:
    found = []
    for row, label in enumerate(truth.labels):
        one = truth.rows(np.array([row]))
        miss_m = (boxes.center_m - one.center_m)[:, :2]
        away_m = np.linalg.norm(miss_m, axis=1)
        best = int(np.argmin(away_m)) if len(boxes) else -1
        if best < 0:
            found.append(Fit(label=label))
            continue
        box = boxes.rows(np.array([best]))
        turn = yaw_from_quat(box.quat_xyzw)[0] - yaw_from_quat(one.quat_xyzw)[0]
        d = miss_m[best]
        found.append(
            Fit(
                label=label,
                same_label=box.labels[0] == label,
                error_m=float(away_m[best]),
                yaw_deg=float(abs(np.rad2deg((turn + np.pi / 2) % np.pi - np.pi / 2))),
                iou=float(iou_bev(box, one)[0, 0]),
                likely=bool(d @ np.linalg.solve(box.covariance[0, :2, :2], d) < LIKELY_90),
            )
        )
    return found


def as_seen(obstacles: Obstacles) -> Boxes3D:
    """Boxes around what the LiDAR saw of each cluster, nothing added."""
    boxes = obstacles.boxes
    if len(boxes) == 0:
        return boxes
    seen = fit_rectangles(obstacles.xyz_m, obstacles.box_of_point, len(boxes))
    c, s = np.cos(seen.yaw_rad), np.sin(seen.yaw_rad)
    a, b = ((seen.low_m + seen.high_m) / 2).T
    size_m = np.maximum(seen.high_m - seen.low_m, 0.05)
    wide = size_m[:, 1] > size_m[:, 0]
    size_m[wide] = size_m[wide, ::-1]
    center_m, size_lwh_m = boxes.center_m.copy(), boxes.size_lwh_m.copy()
    center_m[:, :2] = np.column_stack([c * a - s * b, s * a + c * b])
    size_lwh_m[:, :2] = size_m
    return replace(
        boxes,
        center_m=center_m,
        size_lwh_m=size_lwh_m,
        quat_xyzw=quat_from_yaw(seen.yaw_rad + np.where(wide, np.pi / 2, 0.0)),
    )


def evaluate(name: str, frames: list[Frame], *, camera_classes: tuple[str, ...] = CLASSES) -> None:
    """Print the table of one set; the classes are those that the 2-D detector knows."""
    detector = LidarDetector(LidarDetectorConfig(), Journal())
    journal = Journal()
    variants = {
        "fused, plain": Fusion(
            FusionConfig(camera_classes=camera_classes, amodal_completion=False), Journal()
        ),
        "fused": Fusion(FusionConfig(camera_classes=camera_classes), journal),
    }
    names = ("as seen", "clusters", *variants)
    rows: dict[str, list[Fit]] = {one: [] for one in names}
    num_boxes: dict[str, list[int]] = {one: [] for one in rows}
    num_ghosts = dict.fromkeys(variants, 0)
    times_ms: dict[str, list[float]] = {"all": [], "without points": []}
    for frame in frames:
        obstacles = detector.detect(frame.cloud)
        results = {"as seen": as_seen(obstacles), "clusters": obstacles.boxes}
        for variant, fusion in variants.items():
            results[variant] = fusion.fuse(obstacles, frame.views, up=UP)
            num_ghosts[variant] += _num_ghosts(results[variant], frame.labelled_m)
        for variant, boxes in results.items():
            rows[variant] += fits(boxes, frame.truth)
            num_boxes[variant].append(len(boxes))
        timed = Fusion(FusionConfig(), Journal())
        for _ in range(REPEATS):
            for what, these in zip(
                times_ms, (obstacles, Obstacles.of(obstacles.boxes)), strict=True
            ):
                start = time.process_time()
                timed.fuse(these, frame.views, up=UP)
                times_ms[what].append(1e3 * (time.process_time() - start))
    print(f"\n{name}: {len(frames)} frames")
    for label in CLASSES:
        for variant, of_variant in rows.items():
            these = [fit for fit in of_variant if fit.label == label]
            if these:
                print(_line(label, variant, these))
    for variant, of_variant in rows.items():
        print(_line("all", variant, of_variant))
    counts = ", ".join(f"{variant} {np.mean(num):.0f}" for variant, num in num_boxes.items())
    ghosts = ", ".join(f"{variant} {num}" for variant, num in num_ghosts.items())
    print(f"  boxes a frame: {counts}; ghosts in all: {ghosts}")
    print(f"  journal of fused: {_journal(journal)}")
    quartiles = {what: np.percentile(times, [25, 50, 75]) for what, times in times_ms.items()}
    print("  ms of fusion: " + ", ".join(f"{what} {q.round(1)}" for what, q in quartiles.items()))


def _num_ghosts(boxes: Boxes3D, labelled_m: FloatArray) -> int:
    near = np.linalg.norm(boxes.center_m[:, :2], axis=1) <= FARTHEST_M
    confirmed = [any(one.startswith("camera") for one in sensors) for sensors in boxes.sensors]
    named = np.array(boxes.labels) != UNKNOWN
    rows = np.flatnonzero(near & confirmed & named & (boxes.score > 0.5))
    offset_m = boxes.center_m[rows, None, :2] - labelled_m[None, :, :2]
    away_m = np.linalg.norm(offset_m, axis=2).min(axis=1, initial=np.inf)
    return int(np.count_nonzero(away_m > NEAR_M))


def _journal(journal: Journal) -> str:
    return ", ".join(f"{reason.value} {num}" for reason, num in journal.counts.items())


def _line(label: str, variant: str, these: list[Fit]) -> str:
    found = np.mean([fit.error_m <= FOUND_M for fit in these])
    named = np.mean([fit.error_m <= FOUND_M and fit.same_label for fit in these])
    near = [fit for fit in these if fit.error_m <= NEAR_M]
    covered = np.mean([fit.likely for fit in near]) if near else np.nan
    low, middle, high = np.percentile([fit.iou for fit in these], [25, 50, 75])
    return (
        f"  {label:10} {len(these):3} {variant:12} found {found:.2f} as such {named:.2f}; "
        f"centre {np.median([fit.error_m for fit in these]):.2f} m "
        f"yaw {np.median([fit.yaw_deg for fit in these]):4.1f} deg "
        f"IoU {low:.2f} {middle:.2f} {high:.2f} in ellipse {covered:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--streets", type=int, default=8, help="simulated streets; 0: none")
    arguments = parser.parse_args()
    data, network = arguments.data, yolox(arguments.data)
    evaluate("KITTI object, published detections", list(object_frames(data, None)))
    evaluate("KITTI object, YOLOX-nano", list(object_frames(data, network)))
    evaluate("KITTI drive 0005, RRC detections", list(drive_frames(data)), camera_classes=RRC)
    evaluate("nuScenes, six cameras, YOLOX-nano", list(nuscenes_frames(data, network)))
    if arguments.streets:
        streets = simulated_frames(range(100, 100 + arguments.streets))
        evaluate("simulated streets", list(streets))


if __name__ == "__main__":
    main()
