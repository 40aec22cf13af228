"""What the chain listens to: a few kinds of input, each for every sensor of a kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from perception_stack.datatypes import FrameResult
from perception_stack.io import messages
from perception_stack.pipeline.chain import Chain
from perception_stack.pipeline.config import ChainConfig
from perception_stack.pipeline.tracking_stage import FUSED, POSES

LEADING = ("points", "depth", "detections_3d")
"""The kinds of which a list of objects may come at all."""

WAITING = (*LEADING, "detections")
"""The kinds whose messages wait for those of others; who is there is to be known before."""

_COMPRESSED = "image/compressed"  # as image_transport has it
_OF_CAMERA = ("camera_info", "image", _COMPRESSED, "detections", "masks")
_OF_DEPTH_CAMERA = ("depth_camera_info", "depth")


class Input(NamedTuple):
    """One input of the chain.

    Attributes:
        sensor: Name of the LiDAR or camera.
        kind: What it sends.
        topic: Relative to the namespace: ``points``, or ``front/points`` of one of several.
    """

    sensor: str
    kind: str
    topic: str


def inputs_of(config: ChainConfig) -> list[Input]:
    """Every input that a configuration uses, whether anybody sends it or not."""
    # with a model of our own, detections of somebody else would be a second opinion
    ignored = {"detections", "masks"} if config.detector.enabled else {"image", _COMPRESSED}
    ignored.add("image" if config.detector.compressed else _COMPRESSED)
    return [one for one in all_inputs(config) if one.kind not in ignored]


def all_inputs(config: ChainConfig) -> list[Input]:
    """Every input of the configured sensors, used or not."""
    clouds = config.lidar_detector.cloud_topics
    lidars = [Input(name, "points", topic) for name, topic in clouds.items()]
    depth = [Input("depth", kind, kind) for kind in _OF_DEPTH_CAMERA]
    cameras = [
        Input(name, kind, config.fusion.camera_topic(name, kind))
        for name in config.fusion.camera_names
        for kind in _OF_CAMERA
    ]
    boxes = [
        Input(topic, "detections_3d", topic)
        for topic in config.tracker.box_topics
        if topic not in (FUSED, POSES)
    ]
    return [*lidars, *depth, *cameras, *boxes]


def expect(chain: Chain, config: ChainConfig, is_sent: Callable[[Input], bool]) -> None:
    """Tell the chain who is there, so that nothing waits for what nobody sends."""
    for one in inputs_of(config):
        sent = is_sent(one)
        if one.kind in ("image", _COMPRESSED, "detections"):
            topic = config.fusion.camera_topic(one.sensor, "detections")
            fused = topic not in config.tracker.image_topics
            chain.expect_detections(sent and fused, camera=one.sensor)
        elif one.kind == "masks":
            chain.expect_masks(sent, camera=one.sensor)
        elif one.kind == "points":
            chain.expect_lidar(sent, lidar=one.sensor)
        elif one.kind == "depth":
            chain.expect_depth(sent)


def feed(chain: Chain, given: Input, msg: Any, *, arrival_ns: int) -> list[FrameResult]:
    """Decode one message, of a recording or a running system, and push it into the chain.

    Raises:
        PerceptionError: the message cannot be used.
    """
    sensor = given.sensor
    results: list[FrameResult] = []
    match given.kind:
        case "points":
            cloud = messages.cloud_from_msg(msg)
            results = chain.add_cloud(cloud, lidar=sensor, arrival_ns=arrival_ns)
        case "image":
            image = messages.image_from_msg(msg)
            results = chain.add_image(image, camera=sensor, arrival_ns=arrival_ns)
        case "image/compressed":
            image = messages.compressed_from_msg(msg)
            results = chain.add_image(image, camera=sensor, arrival_ns=arrival_ns)
        case "depth":
            results = chain.add_depth(messages.depth_from_msg(msg), arrival_ns=arrival_ns)
        case "detections":
            detections = messages.detections2d_from_msg(msg)
            results = chain.add_detections(detections, camera=sensor, arrival_ns=arrival_ns)
        case "masks":
            mask, stamp_ns = messages.mask_from_msg(msg), messages.stamp_ns(msg.header)
            results = chain.add_mask(mask, stamp_ns=stamp_ns, camera=sensor, arrival_ns=arrival_ns)
        case "detections_3d":
            boxes = messages.boxes3d_from_msg(msg)
            results = chain.add_boxes(boxes, topic=sensor, arrival_ns=arrival_ns)
        case "camera_info":
            chain.add_camera(messages.camera_from_msg(msg), name=sensor)
        case "depth_camera_info":
            chain.add_depth_camera(messages.camera_from_msg(msg))
    return results
