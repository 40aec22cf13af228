"""What the LiDAR and depth nodes say beyond boxes, and nodes with several sensors of a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")

from nav_msgs.msg import OccupancyGrid
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray, Detection3DArray

from perception_stack.datatypes import Boxes3D, DepthImage, Detections2D, PointCloud
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io import messages
from perception_stack.ros import conversions
from perception_stack.ros.nodes.depth_detector_node import DepthDetectorNode
from perception_stack.ros.nodes.fusion_node import FusionNode
from perception_stack.ros.nodes.lidar_detector_node import LidarDetectorNode

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros

START_NS = 1_000_000_000_000
OPTICAL = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # from a body that looks the same way


def street(center: tuple[float, float] = (10.0, 2.0)) -> np.ndarray:
    """Ground 1.7 m below the sensor, and the near sides of a car-sized box on it."""
    rng = np.random.default_rng(0)
    x, y = center
    ground = np.column_stack([rng.uniform(-30, 30, (20000, 2)), rng.normal(-1.7, 0.01, 20000)])
    ground = ground[np.linalg.norm(ground[:, :2] - center, axis=1) > 3]
    near = x - 2.0 * np.sign(x)
    back = np.column_stack(
        [np.full(600, near), rng.uniform(y - 0.9, y + 0.9, 600), rng.uniform(-1.6, -0.2, 600)]
    )
    side = np.column_stack(
        [rng.uniform(x - 2, x + 2, 900), np.full(900, y - 0.9), rng.uniform(-1.6, -0.2, 900)]
    )
    return np.vstack([ground, back, side]).astype(np.float32)


def cloud(xyz_m: np.ndarray, frame_id: str = "lidar", stamp_ns: int = START_NS) -> PointCloud2:
    return conversions.cloud_msg(PointCloud(frame_id=frame_id, stamp_ns=stamp_ns, xyz_m=xyz_m))


def standing(target: str, source: str, rotation: np.ndarray | None = None) -> RigidTransform:
    rotation = np.eye(3) if rotation is None else rotation
    return RigidTransform(
        target=target, source=source, rotation=rotation, translation_m=np.zeros(3)
    )


def test_obstacle_points_name_their_box(bench: Bench) -> None:
    bench.start(LidarDetectorNode)
    clusters = bench.listen(Detection3DArray, "clusters")
    clouds = bench.listen(PointCloud2, "obstacle_points")
    bench.talk(PointCloud2, "points").publish(cloud(street()))
    bench.until(lambda: clusters and clouds, "boxes and points")
    boxes = messages.boxes3d_from_msg(clusters[0])
    points, box_of_point = messages.obstacle_points_from_msg(clouds[0])
    assert (
        (points.stamp_ns, points.frame_id)
        == (START_NS, "lidar")
        == (
            boxes.stamp_ns,
            boxes.frame_id,
        )
    )
    nearest = int(np.argmin(np.linalg.norm(boxes.center_m[:, :2] - [10, 2], axis=1)))
    mine_m = points.xyz_m[box_of_point == nearest]
    assert len(mine_m) > 1000
    np.testing.assert_allclose(mine_m.min(axis=0)[:2], [8, 1.1], atol=0.01)
    # neither ground nor anything else is an obstacle
    assert points.xyz_m[:, 2].min() > -1.7 + 0.15


def test_occupancy_is_made_for_those_who_listen(bench: Bench) -> None:
    bench.start(LidarDetectorNode, lidar_detector__grid_range_m=20.0)
    grids = bench.listen(OccupancyGrid, "occupancy")
    tf = bench.talk(TFMessage, "/tf")
    points = bench.talk(PointCloud2, "points")
    tf.publish(conversions.transforms_msg([standing("odom", "lidar")], stamp_ns=START_NS))
    scan = street()
    bearing = scan[:, 1] / scan[:, 0]
    in_shadow = (scan[:, 0] > 8.1) & (bearing > 0.1) & (bearing < 0.35) & (scan[:, 2] < -1.6)
    points.publish(cloud(scan[~in_shadow]))
    bench.until(lambda: bool(grids), "a grid")
    grid = grids[0]
    assert (grid.header.frame_id, messages.stamp_ns(grid.header)) == ("odom", START_NS)
    cells = np.array(grid.data).reshape(grid.info.height, grid.info.width)
    origin_m = np.array([grid.info.origin.position.x, grid.info.origin.position.y])

    def at(x_m: float, y_m: float) -> int:
        u, v = np.floor((np.array([x_m, y_m]) - origin_m) / grid.info.resolution).astype(int)
        return int(cells[v, u])

    assert at(8.01, 2.0) == 100  # the back of the car
    assert np.mean(cells == 0) > 0.2
    assert at(13.0, 2.9) == -1  # behind it


def test_two_lidars_give_one_scan(bench: Bench) -> None:
    """Each sees one car ahead of itself; the rear one looks backwards."""
    bench.start(LidarDetectorNode, lidar_detector__lidars=["front", "rear"])
    clusters = bench.listen(Detection3DArray, "clusters")
    turned = np.diag([-1.0, -1.0, 1.0])
    static = bench.talk(TFMessage, "/tf_static", latched=True)
    mounts = [standing("base_link", "front"), standing("base_link", "rear", turned)]
    static.publish(conversions.transforms_msg(mounts, stamp_ns=0))
    front, rear = (bench.talk(PointCloud2, f"{name}/points") for name in ("front", "rear"))
    for i in range(20):  # TF may come after the first scans
        stamp_ns = START_NS + i * 100_000_000
        front.publish(cloud(street(), "front", stamp_ns))
        rear.publish(cloud(street((12.0, -4.0)), "rear", stamp_ns))
        bench.until(lambda i=i: len(clusters) == i + 1, f"clusters {i}")
        boxes = messages.boxes3d_from_msg(clusters[i])
        large = boxes.center_m[boxes.size_lwh_m[:, 0] > 3]
        if len(large) == 2:
            break
    assert boxes.frame_id == "front"
    large = large[np.argsort(large[:, 0])]
    np.testing.assert_allclose(large[:, :2], [[-12, 4], [10, 2]], atol=0.35)


CAMERA = CameraModel.pinhole(
    frame_id="camera_optical",
    width_px=320,
    height_px=240,
    k=np.array([[260.0, 0, 160], [0, 260, 120], [0, 0, 1]]),
)


def table() -> np.ndarray:
    """Depth of a level table 0.4 m below the camera, seen at 45 degrees, with a box on it."""
    v, u = np.mgrid[:240, :320]
    rays = CAMERA.rays(np.column_stack([u.ravel(), v.ravel()]).astype(float))
    down = (rays[:, 1] + rays[:, 2]) / np.sqrt(2)  # how far each ray comes down for depth 1
    ahead = (rays[:, 2] - rays[:, 1]) / np.sqrt(2)
    with np.errstate(divide="ignore"):
        depth_m = 0.4 / down
        top_m = 0.3 / down
        front_m = 0.35 / ahead
    across_m, out_m = rays[:, 0] * top_m, ahead * top_m
    on_top = (np.abs(across_m) < 0.05) & (out_m > 0.35) & (out_m < 0.45)
    on_front = (np.abs(rays[:, 0] * front_m) < 0.05) & (down * front_m > 0.3)
    on_front &= down * front_m < 0.4
    depth_m = np.where(on_front, front_m, np.where(on_top, top_m, depth_m))
    return depth_m.reshape(240, 320).astype(np.float32)


def test_depth_camera_finds_what_stands_on_the_table(bench: Bench) -> None:
    bench.start(DepthDetectorNode)
    assert bench.peer.count_publishers("depth_clusters") == 0
    info = bench.talk(CameraInfo, "depth_camera_info")
    images = bench.talk(Image, "depth")
    clusters = bench.listen(Detection3DArray, "depth_clusters")
    clouds = bench.listen(PointCloud2, "depth_obstacle_points")
    for i in range(20):  # the calibration may come after the first images
        stamp_ns = START_NS + i * 100_000_000
        info.publish(conversions.camera_info_msg(CAMERA, stamp_ns=stamp_ns))
        depth = DepthImage(frame_id="camera_optical", stamp_ns=stamp_ns, depth_m=table())
        images.publish(messages.depth_to_msg(depth, build=conversions.build))
        bench.until(lambda: clusters and clouds, "boxes and points") if i else None
        if clusters:
            break
    boxes = messages.boxes3d_from_msg(clusters[0])
    assert boxes.frame_id == "camera_optical"
    assert boxes.sensors == (("depth",),)
    # 0.4 m ahead and 0.35 m below a level camera, which looks 45 degrees down
    np.testing.assert_allclose(
        boxes.center_m[0], [0, -0.05 / np.sqrt(2), 0.75 / np.sqrt(2)], atol=0.02
    )
    np.testing.assert_allclose(np.sort(boxes.size_lwh_m[0]), [0.1, 0.1, 0.1], atol=0.02)
    _, box_of_point = messages.obstacle_points_from_msg(clouds[0])
    assert np.count_nonzero(box_of_point == 0) > 500


def two_cars(stamp_ns: int) -> Boxes3D:
    """One ahead of the LiDAR, one behind it."""
    return Boxes3D(
        frame_id="lidar",
        stamp_ns=stamp_ns,
        center_m=np.array([[10.0, 0, 0], [-10, 0, 0]]),
        quat_xyzw=np.tile([0.0, 0, 0, 1], (2, 1)),
        size_lwh_m=np.tile([4.0, 2, 1.5], (2, 1)),
        covariance=np.tile(np.eye(6) * 0.01, (2, 1, 1)),
        score=np.full(2, 0.9),
        classes=("car", "unknown"),
        class_probs=np.tile([0.5, 0.5], (2, 1)),
        sensors=(("lidar",),) * 2,
    )


def test_two_cameras_have_topics_of_their_own(bench: Bench) -> None:
    bench.start(FusionNode, fusion__cameras=["front", "rear"])
    fused = bench.listen(Detection3DArray, "detections_3d")
    static = bench.talk(TFMessage, "/tf_static", latched=True)
    turned = np.diag([-1.0, -1.0, 1.0])
    mounts = [
        standing("front_optical", "lidar", OPTICAL),
        standing("rear_optical", "lidar", OPTICAL @ turned),
    ]
    static.publish(conversions.transforms_msg([one.inverse() for one in mounts], stamp_ns=0))
    clusters = bench.talk(Detection3DArray, "clusters")
    cameras = {}
    for name in ("front", "rear"):
        model = CameraModel.pinhole(
            frame_id=f"{name}_optical", width_px=640, height_px=480, k=np.diag([400.0, 400, 1])
        )
        model.k[:2, 2] = 320, 240
        info = bench.talk(CameraInfo, f"{name}/camera_info")
        cameras[name] = model, info, bench.talk(Detection2DArray, f"{name}/detections")
    for i in range(20):
        stamp_ns = START_NS + i * 100_000_000
        for model, info, detections in cameras.values():
            info.publish(conversions.camera_info_msg(model, stamp_ns=stamp_ns))
            seen = Detections2D(
                frame_id=model.frame_id,
                stamp_ns=stamp_ns,
                xyxy_px=np.array([[265.0, 200, 375, 280]]),
                score=np.array([0.9]),
                labels=("car",),
            )
            detections.publish(conversions.detections2d_msg(seen))
        clusters.publish(conversions.boxes3d_msg(two_cars(stamp_ns)))
        bench.until(lambda i=i: len(fused) == i + 1, f"fused list {i}")
        sensors = messages.boxes3d_from_msg(fused[i]).sensors
        if all(len(one) == 2 for one in sensors):
            break
    assert sensors == (("camera/front", "lidar"), ("camera/rear", "lidar"))
