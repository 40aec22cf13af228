"""Quality of service: overridden by parameter, refused when wrong, counted when it clashes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from vision_msgs.msg import Detection3DArray

from perception_stack.errors import ConfigError, PerceptionError, UnknownParameterError
from perception_stack.journal import Reason
from perception_stack.pipeline.config import ChainConfig
from perception_stack.ros import qos
from perception_stack.ros.nodes.fusion_node import FusionNode
from perception_stack.ros.nodes.lidar_detector_node import LidarDetectorNode
from perception_stack.ros.step_node import StepNode

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros

RELIABLE = """
/**:
  ros__parameters:
    tracker:
      fixed_frame: map
    qos_overrides:
      /points:
        subscription:
          reliability: reliable
          depth: 33
"""


class Sensors(StepNode):
    """Listens to two topics of the same default profile."""

    def __init__(self, **options: Any) -> None:
        super().__init__("fusion", ("fusion",), **options)
        self.profiles = {}
        for msg_type, topic in ((PointCloud2, "points"), (Image, "image")):
            self.subscribe(msg_type, topic, lambda _: None, qos.SENSOR)
            self.profiles[topic] = self._subscribers[-1].qos_profile


@pytest.fixture
def params_file(tmp_path: Path) -> Path:
    path = tmp_path / "qos.param.yaml"
    path.write_text(RELIABLE)
    return path


def test_a_file_overrides_one_topic_and_no_other(bench: Bench, params_file: Path) -> None:
    node = bench.start(Sensors, "--params-file", str(params_file))
    profiles = node.profiles
    assert profiles["points"].reliability == ReliabilityPolicy.RELIABLE
    assert profiles["points"].depth == 33
    assert profiles["image"].reliability == ReliabilityPolicy.BEST_EFFORT
    assert profiles["image"].depth == qos.SENSOR.depth == 5
    assert node.get_parameter("qos_overrides./points.subscription.depth").value == 33


def test_topics_are_named_as_they_are_after_namespace_and_remap(
    bench: Bench, params_file: Path
) -> None:
    args = ("-r", "__ns:=/robot", "-r", "points:=/points", "--params-file", str(params_file))
    node = bench.start(Sensors, *args)
    assert node.profiles["points"].depth == 33


def test_the_same_file_serves_offline(params_file: Path) -> None:
    assert ChainConfig.load(params_file).tracker.fixed_frame == "map"


@pytest.mark.parametrize(
    ("name", "value", "error", "said"),
    [
        pytest.param(
            "/points.subscription.reliabilty",
            "reliable",
            UnknownParameterError,
            "did you mean 'reliability'",
            id="misspelt-policy",
        ),
        pytest.param(
            "/points.subscriber.depth",
            3,
            UnknownParameterError,
            "did you mean 'subscription'",
            id="misspelt-entity",
        ),
        pytest.param(
            "/points.subscription.reliability",
            "best effort",
            ConfigError,
            "'best effort' is not one of reliable, best_effort",
            id="no-such-choice",
        ),
        pytest.param(
            "/points.subscription.history", 1, ConfigError, "1 is not one of", id="wrong-type"
        ),
        pytest.param(
            "/points.subscription.depth", 0, ConfigError, "number from 1 on, got 0", id="no-depth"
        ),
        pytest.param(
            "/points.subscription.depth", True, ConfigError, "got True", id="depth-of-true"
        ),
        pytest.param("depth", 3, UnknownParameterError, "publisher", id="no-topic"),
    ],
)
def test_an_override_that_says_nothing_is_refused(
    bench: Bench, name: str, value: Any, error: type[PerceptionError], said: str
) -> None:
    with pytest.raises(error, match=said):
        bench.start(LidarDetectorNode, **{f"qos_overrides.{name}": value})


def test_publisher_that_offers_too_little_is_counted(bench: Bench, params_file: Path) -> None:
    node = bench.start(LidarDetectorNode, "--params-file", str(params_file))
    statuses = bench.listen(DiagnosticArray, "/diagnostics")
    bench.talk(PointCloud2, "points", best_effort=True)
    journal = node.journals["lidar_detector"]
    bench.until(lambda: journal.counts.get(Reason.QOS_INCOMPATIBLE), "the reason")
    assert journal.counts == {Reason.QOS_INCOMPATIBLE: 1}
    detail = journal.last(Reason.QOS_INCOMPATIBLE).detail
    assert detail == "a publisher of 'points' does not fit: RELIABILITY (see qos_overrides)"

    def reported() -> bool:
        return any(
            value.key == "dropped.qos_incompatible" and value.value == "1"
            for array in statuses
            for status in array.status
            for value in status.values
        )

    bench.until(reported, "the reason in the diagnostics")


def test_subscriber_that_asks_for_too_much_is_counted(bench: Bench) -> None:
    node = bench.start(
        LidarDetectorNode,
        **{"qos_overrides./clusters.publisher.reliability": "best_effort"},
    )
    profile = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
    bench.peer.create_subscription(Detection3DArray, "clusters", lambda _: None, profile)
    journal = node.journals["lidar_detector"]
    bench.until(lambda: journal.counts.get(Reason.QOS_INCOMPATIBLE), "the reason")
    detail = journal.last(Reason.QOS_INCOMPATIBLE).detail
    assert detail == "a subscriber of 'clusters' does not fit: RELIABILITY (see qos_overrides)"


def test_latched_calibration_fits_the_default_readers(bench: Bench) -> None:
    """What our own nodes and RViz offer and ask for goes together."""
    node = bench.start(FusionNode)
    bench.talk(CameraInfo, "camera_info", latched=True)
    bench.talk(Image, "masks")
    bench.talk(Detection3DArray, "clusters")
    assert Reason.QOS_INCOMPATIBLE not in node.journals["fusion"].counts
