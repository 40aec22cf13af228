"""Node ``detector`` over real DDS: cameras, masks, keypoints, prompts, and what is late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")
pytest.importorskip("onnxruntime")

from perception_stack.msg import Keypoints2DArray
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from perception_stack.datatypes import ColorImage
from perception_stack.io import messages
from perception_stack.journal import Reason
from perception_stack.ros import conversions
from perception_stack.ros.nodes.detector_node import DetectorNode

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros
START_NS = 1_000_000_000_000
Make = Callable[..., Path]


def picture(grey: int, index: int = 0, frame_id: str = "camera") -> ColorImage:
    bgr = np.full((128, 128, 3), grey, np.uint8)
    return ColorImage(frame_id=frame_id, stamp_ns=START_NS + index, bgr=bgr)


def image(grey: int, index: int = 0, frame_id: str = "camera") -> Image:
    return conversions.image_msg(picture(grey, index, frame_id))


def labels(message: Detection2DArray) -> list[str]:
    return [one.results[0].hypothesis.class_id for one in message.detections]


def count(node: Any, reason: Reason) -> int:
    return int(node.journals["detector"].counts.get(reason, 0))


def test_masks_name_their_detections(bench: Bench, small_network: Make, tmp_path: Path) -> None:
    path = small_network(tmp_path, "yolov8_seg", max_detections=100)
    bench.start(DetectorNode, detector__model=str(path), detector__score_threshold=0.6)
    kinds = {"detections": Detection2DArray, "masks": Image, "detections_image": Image}
    heard = {topic: bench.listen(kind, topic) for topic, kind in kinds.items()}
    infos = bench.listen(LabelInfo, "label_info", latched=True)
    bench.talk(Image, "image").publish(image(255))
    bench.until(lambda: infos and all(heard.values()), "all topics")
    detections, mask = heard["detections"][0], heard["masks"][0]
    assert {messages.stamp_ns(one[0].header) for one in (*heard.values(), infos)} == {START_NS}
    assert labels(detections) == ["b"]
    assert detections.detections[0].id == "1"
    assert [(one.class_id, one.class_name) for one in infos[0].class_map] == [(1, "b")]
    assert infos[0].threshold == pytest.approx(0.6)
    assert mask.encoding == "mono8"
    pixels = messages.mask_from_msg(mask)
    rows, columns = np.nonzero(pixels == 1)
    assert (columns.min(), columns.max(), rows.min()) == (72, 119, 24)
    drawn = messages.image_from_msg(heard["detections_image"][0]).bgr
    assert (drawn[40, 100] != 255).any()
    assert (drawn[40, 20] == 255).all()
    # nothing is found in it, and that is said as well
    bench.talk(Image, "image").publish(image(128, 1))
    bench.until(lambda: len(heard["masks"]) == 2, "a mask of no detection")
    assert not messages.mask_from_msg(heard["masks"][1]).any()


def test_keypoints_come_with_their_detections(
    bench: Bench, small_network: Make, tmp_path: Path
) -> None:
    path = small_network(tmp_path, "yolov8_pose")
    bench.start(DetectorNode, detector__model=str(path))
    found = bench.listen(Keypoints2DArray, "keypoints")
    assert bench.peer.count_publishers("masks") == 0
    bench.talk(Image, "image").publish(image(255))
    bench.until(lambda: found, "keypoints")
    keypoints = messages.keypoints_from_msg(found[0])
    assert keypoints.names == ("head", "foot")
    assert found[0].detections[0].detection_id == "1"
    np.testing.assert_allclose(keypoints.uv_px, [[[80, 40], [100, 80]]], atol=1e-3)
    np.testing.assert_allclose(keypoints.score, [[0.9, 1.0]], rtol=1e-6)


def test_oriented_boxes_survive_the_way(bench: Bench, small_network: Make, tmp_path: Path) -> None:
    path = small_network(tmp_path, "yolov8_obb")
    bench.start(DetectorNode, detector__model=str(path))
    found = bench.listen(Detection2DArray, "detections")
    bench.talk(Image, "image").publish(image(0))
    bench.until(lambda: found, "detections")
    box = found[0].detections[0].bbox
    assert box.center.theta == pytest.approx(0.5)
    back = messages.detections2d_from_msg(found[0])
    assert back.rotated_px is not None
    np.testing.assert_allclose(back.rotated_px, [[32, 64, 48, 80, 0.5]], atol=1e-3)


def test_each_camera_has_its_topics_and_the_newest_image_counts(
    bench: Bench, small_network: Make, tmp_path: Path
) -> None:
    path = small_network(tmp_path, "yolov8")
    cameras = ["left", "right"]
    node = bench.start(DetectorNode, detector__model=str(path), detector__cameras=cameras)
    found = {name: bench.listen(Detection2DArray, f"{name}/detections") for name in cameras}
    talk = {name: bench.talk(Image, f"{name}/image") for name in cameras}
    # both wait before the node gets to spin
    for index in range(3):
        talk["left"].publish(image(0, index, "left_optical"))
    talk["right"].publish(image(255, 7, "right_optical"))

    def done() -> bool:
        return all(found.values()) and len(found["left"]) + count(node, Reason.SUPERSEDED) == 3

    bench.until(done, "detections of both cameras, and all images accounted for")
    assert messages.stamp_ns(found["left"][-1].header) == START_NS + 2
    assert count(node, Reason.SUPERSEDED) >= 1
    (right,) = found["right"]
    assert (right.header.frame_id, labels(right)) == ("right_optical", ["b"])
    assert {tuple(labels(one)) for one in found["left"]} == {("a",)}


def test_bad_image_of_one_camera_costs_the_other_nothing(
    bench: Bench, small_network: Make, tmp_path: Path
) -> None:
    path = small_network(tmp_path, "yolov8")
    cameras = ["left", "right"]
    node = bench.start(DetectorNode, detector__model=str(path), detector__cameras=cameras)
    found = bench.listen(Detection2DArray, "right/detections")
    bad = image(0)
    bad.encoding = "32FC3"
    bench.talk(Image, "left/image").publish(bad)
    bench.talk(Image, "right/image").publish(image(255))
    bench.until(lambda: found and count(node, Reason.UNDECODABLE), "detections and a count")
    assert count(node, Reason.UNDECODABLE) == 1
    last = node.journals["detector"].last(Reason.UNDECODABLE).detail
    assert last.startswith("left/image: image encoding '32FC3' is not one of bgr8")


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_compressed_images(kind: str, bench: Bench, small_network: Make, tmp_path: Path) -> None:
    path = small_network(tmp_path, "yolov8")
    node = bench.start(DetectorNode, detector__model=str(path), detector__compressed=True)
    found = bench.listen(Detection2DArray, "detections")
    talk = bench.talk(CompressedImage, "image/compressed")
    broken = conversions.compressed_msg(picture(255), kind=kind)
    broken.data = broken.data[:20]
    talk.publish(broken)
    bench.until(lambda: count(node, Reason.UNDECODABLE) == 1, "a count")
    talk.publish(conversions.compressed_msg(picture(255, 1), kind=kind))
    bench.until(lambda: found, "detections")
    assert (labels(found[0]), messages.stamp_ns(found[0].header)) == (["b"], START_NS + 1)


def test_prompts_change_while_it_runs(bench: Bench, small_network: Make, tmp_path: Path) -> None:
    words = {"night": [1, 0, 0], "day": [0, 1, 0]}
    np.savez(
        tmp_path / "words.npz", **{name: np.array(row, np.float32) for name, row in words.items()}
    )
    path = small_network(tmp_path, "prompted")
    node = bench.start(DetectorNode, detector__model=str(path), detector__prompts=["night"])
    found = bench.listen(Detection2DArray, "detections")
    talk = bench.talk(Image, "image")
    talk.publish(image(255))
    bench.until(lambda: len(found) == 1, "nothing seen at night")
    (result,) = node.set_parameters([Parameter("detector.prompts", value=["day"])])
    assert result.successful
    talk.publish(image(255, 1))
    bench.until(lambda: len(found) == 2, "what the new prompt finds")
    assert [labels(one) for one in found] == [[], ["day"]]
    (result,) = node.set_parameters([Parameter("detector.prompts", value=["noon"])])
    assert not result.successful
    assert "no embedding of 'noon'" in result.reason
    (result,) = node.set_parameters([Parameter("detector.tiles", value="2x2")])
    assert not result.successful
