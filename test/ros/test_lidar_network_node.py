"""Node ``lidar_detector`` with our own network, over DDS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("onnxruntime")
from sensor_msgs.msg import PointCloud2
from vision_msgs.msg import Detection3DArray

from perception_stack.io import messages
from perception_stack.journal import Reason
from perception_stack.ros import conversions
from perception_stack.ros.nodes.lidar_detector_node import LidarDetectorNode
from perception_stack.simulation.labelled_scans import Scanner, labelled_scans
from perception_stack.simulation.lidar import hdl64_elevations_rad

pytestmark = pytest.mark.ros
MODEL = Path(__file__).resolve().parents[2] / "config" / "models" / "centerpoint_sim.yaml"
UNSEEN = 700_000  # a street that the network was not trained on


def street(*, num_beams: int, height_m: float):
    elevations = hdl64_elevations_rad()
    if num_beams != len(elevations):
        elevations = np.deg2rad(np.linspace(15, -15, num_beams))
    scanner = Scanner(
        elevation_rad=elevations, num_azimuths=1800, height_m=height_m, tilt_rad=np.zeros(2)
    )
    return next(labelled_scans(UNSEEN, num=1, scanner=scanner))


def test_boxes_of_the_network_have_class_size_and_place(bench) -> None:
    scan = street(num_beams=64, height_m=1.7)
    bench.start(LidarDetectorNode, lidar_network__model=str(MODEL))
    clusters = bench.listen(Detection3DArray, "clusters")
    bench.talk(PointCloud2, "points").publish(conversions.cloud_msg(scan.cloud))
    bench.until(lambda: bool(clusters), "clusters")
    found = messages.boxes3d_from_msg(clusters[0])
    cars = np.array(found.labels) == "car"
    sure = cars & (found.score > 0.5)
    wanted = np.flatnonzero(
        (np.array(scan.boxes.labels) == "car")
        & (scan.num_points > 300)
        & (np.abs(scan.boxes.center_m[:, :2]).max(axis=1) < 40)
    )
    assert len(wanted) >= 3
    apart_m = np.linalg.norm(
        scan.boxes.center_m[wanted, None] - found.center_m[None, sure], axis=2
    )
    assert (apart_m.min(axis=1) < 0.5).mean() > 0.7
    nearest = apart_m.argmin(axis=1)[apart_m.min(axis=1) < 0.5]
    assert np.median(found.size_lwh_m[sure][nearest, 0]) == pytest.approx(4.25, abs=0.6)


def test_other_sensor_is_told_in_the_diagnostics_and_gets_clusters(bench) -> None:
    scan = street(num_beams=16, height_m=0.5)
    node = bench.start(LidarDetectorNode, lidar_network__model=str(MODEL))
    clusters = bench.listen(Detection3DArray, "clusters")
    bench.talk(PointCloud2, "points").publish(conversions.cloud_msg(scan.cloud))
    bench.until(lambda: bool(clusters), "clusters")
    assert len(clusters[0].detections) > 5
    journal = node.journals["lidar_detector"]
    assert journal.counts[Reason.SENSOR_UNSUITED] == 1
    assert (
        "32 to 128 beams at 1.3 to 2.3 m, you have" in journal.last(Reason.SENSOR_UNSUITED).detail
    )
