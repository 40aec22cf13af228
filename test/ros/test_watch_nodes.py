"""Drift and the frame collector over DDS: alarms rise and clear, snippets can be read back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")
pytest.importorskip("onnxruntime")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image, PointCloud2
from vision_msgs.msg import Detection2DArray

from perception_stack.datatypes import ColorImage, Detections2D, PointCloud
from perception_stack.io import messages
from perception_stack.io.bags import BagReader
from perception_stack.journal import Reason
from perception_stack.pipeline.snippets import read_snippets
from perception_stack.ros import conversions
from perception_stack.ros.nodes.detector_node import DetectorNode
from perception_stack.ros.nodes.frame_collector_node import FrameCollectorNode
from perception_stack.ros.nodes.lidar_detector_node import LidarDetectorNode
from perception_stack.watch.features import cloud_features
from perception_stack.watch.image_features import image_features
from perception_stack.watch.reference import Recording, learn, write_reference

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros

START_NS, PERIOD_NS = 1_000_000_000_000, 100_000_000
MODEL = Path(__file__).resolve().parents[2] / "config" / "models" / "fastestdet.yaml"
DELAY = 40


def picture(i: int, light: float = 1.0) -> ColorImage:
    """Noise that is no two times the same."""
    rng = np.random.default_rng(i)
    blocks = rng.integers(60, 180, (9, 16, 3))
    bgr = np.kron(blocks, np.ones((10, 10, 1))) + rng.integers(0, 8, (90, 160, 3))
    stamp_ns = START_NS + i * PERIOD_NS
    return ColorImage(frame_id="camera", stamp_ns=stamp_ns, bgr=(light * bgr).astype(np.uint8))


def reference(path: Path, part: str, table: np.ndarray) -> str:
    """What is usual for some values, found to differ within 40 frames."""
    stamps_ns = np.arange(len(table))
    recordings = [
        Recording(name=f"{i}", values={part: rows}, stamps_ns={part: stamps_ns[: len(rows)]})
        for i, rows in enumerate(np.array_split(table, 4))
    ]
    write_reference(learn(recordings, classes=(), delay_frames=DELAY), path)
    return str(path)


def watch_level(told: list[DiagnosticArray], name: str) -> tuple[Any, str]:
    """Newest level and message of a status."""
    found = [one for array in told for one in array.status if one.name == name]
    return (found[-1].level, found[-1].message) if found else (None, "")


def test_drift_of_images_is_told_and_clears(bench: Bench, data_dir: Path, tmp_path: Path) -> None:
    usual = np.array([image_features(picture(i)) for i in range(240)])
    node = bench.start(
        DetectorNode,
        **{
            "detector.model": str(MODEL),
            "detector.model_dir": str(data_dir / "checkpoints_2d"),
            "detector.reference": reference(tmp_path / "usual.yaml", "image", usual),
        },
    )
    told = bench.listen(DiagnosticArray, "/diagnostics")
    images = bench.talk(Image, "image")

    def send(first: int, last: int, light: float) -> None:
        for i in range(first, last):
            images.publish(messages.image_to_msg(picture(i, light), build=conversions.build))
            bench.until(lambda i=i: node._findings()[0].num_frames == i - 999, f"image {i}")

    send(1000, 1010, 1.0)
    bench.until(
        lambda: watch_level(told, "drift: image") == (DiagnosticStatus.OK, "as usual"), "calm"
    )
    send(1010, 1060, 0.4)
    bench.until(lambda: watch_level(told, "drift: image")[0] == DiagnosticStatus.WARN, "an alarm")
    since_s = (START_NS + 1010 * PERIOD_NS) / 1e9
    text = watch_level(told, "drift: image")[1]
    assert "images are darker: brightness 0.4" in text
    assert f"since {since_s:.3f} s" in text
    assert node.journals["detector"].counts[Reason.DRIFT] >= 1
    send(1060, 1120, 1.0)
    bench.until(
        lambda: watch_level(told, "drift: image") == (DiagnosticStatus.OK, "as usual"), "its end"
    )


def scan(i: int, share: float = 1.0) -> PointCloud:
    rng = np.random.default_rng(i)
    xyz = rng.uniform(3, 30, (round(2000 * share), 3)) * [1, 1, 0.05]
    stamp_ns = START_NS + i * PERIOD_NS
    return PointCloud(frame_id="lidar", stamp_ns=stamp_ns, xyz_m=xyz.astype(np.float32))


def test_drift_of_scans_is_told(bench: Bench, tmp_path: Path) -> None:
    usual = np.array([cloud_features(scan(i)) for i in range(240)])
    path = reference(tmp_path / "usual.yaml", "points", usual)
    node = bench.start(LidarDetectorNode, **{"lidar_detector.reference": path})
    told = bench.listen(DiagnosticArray, "/diagnostics")
    points = bench.talk(PointCloud2, "points")
    for i in range(40):
        points.publish(messages.cloud_to_msg(scan(i, 0.2), build=conversions.build))
        bench.until(lambda i=i: node._drift.findings[0].num_frames == i + 1, f"scan {i}")
    bench.until(
        lambda: (
            "scans have fewer points: points 0.20 times the usual"
            in watch_level(told, "drift: points")[1]
        ),
        "an alarm",
    )


def test_the_collector_writes_a_snippet_that_can_be_read(bench: Bench, tmp_path: Path) -> None:
    settings = {"out_dir": str(tmp_path), "before_s": 0.3, "after_s": 0.2}
    node = bench.start(
        FrameCollectorNode, **{f"frame_collector.{name}": one for name, one in settings.items()}
    )
    images, detections = bench.talk(Image, "image"), bench.talk(Detection2DArray, "detections")
    diagnostics = bench.talk(DiagnosticArray, "/diagnostics")

    def frames() -> int:
        return int(node.diagnostics._num_frames["frame_collector"])

    def send(i: int, score: float) -> None:
        found = Detections2D(
            frame_id="camera",
            stamp_ns=START_NS + i * PERIOD_NS,
            xyxy_px=np.tile([1.0, 2, 30, 40], (3, 1)),
            score=np.full(3, score),
            labels=("car",) * 3,
        )
        detections.publish(conversions.detections2d_msg(found))
        bench.until(
            lambda: node._stage._kept and node._stage._newest_ns == found.stamp_ns, "boxes"
        )
        before = frames()
        images.publish(messages.image_to_msg(picture(i), build=conversions.build))
        bench.until(lambda: frames() > before, f"image {i}")

    for i in range(12):
        send(i, 0.35 if i == 6 else 0.9)
    bench.until(lambda: len(list(tmp_path.glob("snippets.jsonl"))) > 0, "a snippet")
    (snippet,) = read_snippets(tmp_path)
    assert snippet.stamp_ns == START_NS + 6 * PERIOD_NS
    with BagReader(tmp_path / snippet.bag) as reader:
        read = [messages.image_from_msg(one.message) for one in reader.messages(["/image"])]
        boxes = [
            messages.detections2d_from_msg(one.message) for one in reader.messages(["/detections"])
        ]
    assert [one.stamp_ns for one in read] == [START_NS + i * PERIOD_NS for i in range(3, 9)]
    for i, one in zip(range(3, 9), read, strict=True):
        np.testing.assert_array_equal(one.bgr, picture(i).bgr)
    assert [one.score[0] for one in boxes] == [0.9, 0.9, 0.9, 0.35, 0.9, 0.9]

    # drift is a reason, too, but only ten seconds later
    warning = DiagnosticStatus(name="drift: image", level=DiagnosticStatus.WARN, message="dark")
    diagnostics.publish(DiagnosticArray(status=[warning]))
    journal = node.journals["frame_collector"]
    bench.until(lambda: Reason.OVER_BUDGET in journal.counts, "a refusal")
    assert "drift: dark" in journal.last(Reason.OVER_BUDGET).detail
