"""What a node costs beyond its step, in processor time, which other work on the machine leaves be.

Each node gets whole KITTI scans and images as the middleware hands them over, serialised, and
does all it does for one frame: deserialise, decode, step, encode, publish to a subscriber. The
bare step runs on the same data in turn::

    OMP_NUM_THREADS=1 python benchmarks/node_overhead.py --data ../shared/data
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rclpy
from perception_stack.msg import TrackedObjectArray
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image, PointCloud2
from vision_msgs.msg import Detection2DArray, Detection3DArray

from perception_stack.datatypes import ColorImage, Obstacles, PointCloud
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.fusion import Fusion
from perception_stack.fusion.sight import CameraView
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io import messages
from perception_stack.io.kitti.calibration import CAMERA, read_calibration
from perception_stack.io.kitti.scans import read_scan
from perception_stack.journal import Journal
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.detector import LidarDetector
from perception_stack.pipeline.fusion_stage import LIDAR
from perception_stack.ros import conversions, qos
from perception_stack.ros.nodes.detector_node import DetectorNode
from perception_stack.ros.nodes.fusion_node import FusionNode
from perception_stack.ros.nodes.lidar_detector_node import LidarDetectorNode
from perception_stack.ros.nodes.tracker_node import TrackerNode
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.sight import Sight
from perception_stack.tracking.space.tracker import Tracker

UP = np.array([0.0, 0.0, 1.0])
MANIFEST = Path(__file__).resolve().parent.parent / "config" / "models" / "yolox_nano.yaml"
SIGHT = Sight(origin_m=np.zeros(3), ahead=np.array([1.0, 0.0, 0.0]))
WIDTH_PX, HEIGHT_PX = 1242, 375


class Table:
    """Processor time of nodes and of their steps, in turn."""

    def __init__(self) -> None:
        self.ms: dict[str, tuple[list[float], list[float]]] = {}

    def add(self, name: str, node: Callable[[], object], step: Callable[[], object]) -> None:
        """Run both once and note the times."""
        for call, times in zip((node, step), self.ms.setdefault(name, ([], [])), strict=True):
            start = time.process_time()
            call()
            times.append(1e3 * (time.process_time() - start))

    def __str__(self) -> str:
        lines = ["ms, median      node   step  overhead (quartiles)"]
        for name, (nodes, steps) in self.ms.items():
            low, middle, high = np.percentile(np.subtract(nodes, steps), [25, 50, 75])
            lines.append(
                f"{name:14} {np.median(nodes):5.1f}  {np.median(steps):5.1f}  "
                f"{middle:5.1f} ({low:.1f} to {high:.1f})"
            )
        return "\n".join(lines)


def listen(other: Node, node: Node) -> None:
    """Subscribe to what a node sends, so that sending costs what it does."""
    kinds = {
        "clusters": Detection3DArray,
        "obstacle_points": PointCloud2,
        "detections": Detection2DArray,
        "detections_3d": Detection3DArray,
    }
    for name, kind in kinds.items():
        if node.count_publishers(node.resolve_topic_name(name)):
            other.create_subscription(kind, name, lambda _msg: None, qos.RESULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One scan with one image, and what the nodes get of it."""

    cloud: PointCloud
    image: ColorImage
    obstacles: Obstacles
    view: CameraView
    cloud_raw: bytes
    image_raw: bytes
    points_raw: bytes
    boxes_raw: bytes
    detections_raw: bytes


def frames(data: Path, lidar: LidarDetector, detector: Detector, num: int) -> Iterator[Frame]:
    root = data / "kitti_object" / "training"
    names = sorted(path.stem for path in (root / "velodyne").glob("*.bin"))
    calibration = read_calibration(root / "calib" / f"{names[0]}.txt")
    camera = calibration.camera(width_px=WIDTH_PX, height_px=HEIGHT_PX)
    for number in range(num):
        name, stamp_ns = names[number * len(names) // num], (1 + number) * 100_000_000
        cloud = read_scan(root / "velodyne" / f"{name}.bin", stamp_ns=stamp_ns)
        bgr = cv2.imread(str(root / "image_2" / f"{name}.png"))
        bgr = cv2.resize(bgr, (WIDTH_PX, HEIGHT_PX))
        image = ColorImage(frame_id=CAMERA, stamp_ns=stamp_ns, bgr=bgr)
        detections, obstacles = detector.detect(image), lidar.detect(cloud)
        image_msg = messages.image_to_msg(image, build=conversions.build)
        yield Frame(
            cloud=cloud,
            image=image,
            obstacles=obstacles,
            view=CameraView(
                name="camera",
                camera=camera,
                detections=detections,
                camera_from_obstacles=calibration.camera_from_velodyne,
            ),
            cloud_raw=serialize_message(conversions.cloud_msg(cloud)),
            image_raw=serialize_message(image_msg),
            points_raw=serialize_message(conversions.obstacle_points_msg(obstacles)),
            boxes_raw=messages.boxes3d_to_bytes(obstacles.boxes),
            detections_raw=serialize_message(conversions.detections2d_msg(detections)),
        )


def standing(frame_id: str) -> RigidTransform:
    return RigidTransform(
        target="odom", source=frame_id, rotation=np.eye(3), translation_m=np.zeros(3)
    )


def fuse(node: FusionNode, frame: Frame) -> None:
    node._on_detections("camera", deserialize_message(frame.detections_raw, Detection2DArray))
    node._on_points(LIDAR, deserialize_message(frame.points_raw, PointCloud2))
    node._on_boxes(LIDAR, frame.boxes_raw)


def measure(data: Path, num: int) -> Table:
    weights = str(data / "checkpoints_2d")
    other = Node("other")
    model = {"detector.model": str(MANIFEST), "detector.model_dir": weights}
    overrides = [Parameter(name, value=value) for name, value in model.items()]
    lidar_node, fusion_node = LidarDetectorNode(), FusionNode()
    detector_node = DetectorNode(parameter_overrides=overrides)
    for node in (lidar_node, fusion_node, detector_node):
        listen(other, node)
    lidar = LidarDetector(LidarDetectorConfig(), Journal())
    fusion = Fusion(FusionConfig(), Journal())
    detector = Detector(DetectorConfig(model=str(MANIFEST), model_dir=weights), Journal())
    tracker_node, tracker = TrackerNode(), Tracker(TrackerConfig(), Journal())
    other.create_subscription(TrackedObjectArray, "objects", lambda _msg: None, qos.RESULT)
    table, linked, nums = Table(), False, []
    for frame in frames(data, lidar, detector, num):
        if not linked:
            view = frame.view
            fusion_node._listener.set_transform_static(
                conversions.transforms_msg(
                    [view.camera_from_obstacles.inverse()], stamp_ns=0
                ).transforms[0],
                "benchmark",
            )
            info = conversions.camera_info_msg(view.camera, stamp_ns=0)
            fusion_node._on_camera_info("camera", info)
            odom = standing(frame.cloud.frame_id)
            moving = conversions.transforms_msg([odom], stamp_ns=0).transforms[0]
            tracker_node._listener.set_transform_static(moving, "benchmark")
            linked = True
        fused = fusion.fuse(frame.obstacles, (frame.view,), up=UP)
        in_odom = transform_boxes(fused, odom)
        nums.append(len(fused))
        fused_raw = messages.boxes3d_to_bytes(fused)
        table.add(
            "lidar_detector",
            lambda f=frame: lidar_node._on_points(
                LIDAR, deserialize_message(f.cloud_raw, PointCloud2)
            ),
            lambda f=frame: lidar.detect(f.cloud),
        )
        table.add(
            "fusion",
            lambda f=frame: fuse(fusion_node, f),
            lambda f=frame: fusion.fuse(f.obstacles, (f.view,), up=UP),
        )
        table.add(
            "tracker",
            lambda raw=fused_raw: tracker_node._on_boxes("detections_3d", raw),
            lambda boxes=in_odom: tracker.update(boxes, sight=SIGHT),
        )
        table.add(
            "detector",
            lambda f=frame: detector_node._detect(
                {"camera": deserialize_message(f.image_raw, Image)}
            ),
            lambda f=frame: detector.detect(f.image),
        )
    print(f"boxes a frame: {np.median(nums):.0f} (median; {min(nums)} to {max(nums)})")
    counts = fusion_node.journals["fusion"].counts
    print("fusion's journal:", ", ".join(f"{one.value} {num}" for one, num in counts.items()))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--frames", type=int, default=96)
    arguments = parser.parse_args()
    rclpy.init()
    print(measure(arguments.data, arguments.frames))
    rclpy.shutdown()


if __name__ == "__main__":
    main()
