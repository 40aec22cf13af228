"""Node ``image_tracker`` over real DDS: what it sends, and what it does with bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")

from sensor_msgs.msg import CameraInfo
from vision_msgs.msg import Detection2DArray

from perception_stack.datatypes import Detections2D
from perception_stack.io import messages
from perception_stack.journal import Reason
from perception_stack.ros import conversions
from perception_stack.ros.nodes.image_tracker_node import ImageTrackerNode

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros

START_NS, PERIOD_NS = 1_000_000_000_000, 100_000_000


def seen(index: int, *, score: float = 0.95) -> Detection2DArray:
    """A car that moves right, and nothing else, in frame ``index``."""
    left = 100.0 + 5.0 * index
    return conversions.detections2d_msg(
        Detections2D(
            frame_id="camera",
            stamp_ns=START_NS + index * PERIOD_NS,
            xyxy_px=np.array([[left, 50.0, left + 80.0, 100.0]]),
            score=np.array([score]),
            labels=("car",),
        )
    )


def nothing(index: int) -> Detection2DArray:
    message = seen(index)
    message.detections = []
    return message


def test_one_thing_keeps_one_identity_and_its_stamps(bench: Bench) -> None:
    bench.start(ImageTrackerNode)
    lists = bench.listen(Detection2DArray, "tracked_detections")
    detections = bench.talk(Detection2DArray, "detections")
    for i in range(10):
        detections.publish(seen(i))
        bench.until(lambda i=i: len(lists) == i + 1, f"list {i}")
    assert [messages.stamp_ns(one.header) for one in lists] == [
        START_NS + i * PERIOD_NS for i in range(10)
    ]
    assert {one.header.frame_id for one in lists} == {"camera"}
    assert len({UUID(one.id) for each in lists for one in each.detections}) == 1
    back = messages.detections2d_from_msg(lists[-1])
    assert back.labels == ("car",)
    np.testing.assert_allclose(back.xyxy_px, [[145, 50, 225, 100]], atol=2.0)
    assert back.score[0] > 0.9


def test_empty_frames_age_and_are_answered(bench: Bench) -> None:
    bench.start(ImageTrackerNode)
    lists = bench.listen(Detection2DArray, "tracked_detections")
    detections = bench.talk(Detection2DArray, "detections")
    for i in range(20):
        detections.publish(seen(i) if i < 5 else nothing(i))
        bench.until(lambda i=i: len(lists) == i + 1, f"list {i}")
    assert len(lists[4].detections) == 1
    assert len(lists[-1].detections) == 0


def test_camera_info_tells_where_the_image_ends(bench: Bench) -> None:
    node = bench.start(ImageTrackerNode)
    lists = bench.listen(Detection2DArray, "tracked_detections")
    detections = bench.talk(Detection2DArray, "detections")
    info = bench.talk(CameraInfo, "camera_info")
    info.publish(CameraInfo(width=170, height=90))
    bench.until(lambda: node._image_size_px == (170, 90), "the size")
    detections.publish(seen(0))
    bench.until(lambda: lists, "a list")
    np.testing.assert_allclose(
        messages.detections2d_from_msg(lists[0]).xyxy_px, [[100, 50, 170, 90]], atol=1e-6
    )


def test_bad_and_late_messages_cost_themselves(bench: Bench) -> None:
    node = bench.start(ImageTrackerNode, image_tracker__reset_s=1.0)
    lists = bench.listen(Detection2DArray, "tracked_detections")
    detections = bench.talk(Detection2DArray, "detections")
    for message in (seen(5), seen(6, score=2.0), seen(4), seen(7)):
        detections.publish(message)
    bench.until(lambda: len(lists) == 2, "the good ones")
    counts = node.journals["image_tracker"].counts
    assert counts == {Reason.UNDECODABLE: 1, Reason.STALE_STAMP: 1}
