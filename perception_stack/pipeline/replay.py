"""Runs the chain over a recording: no DDS, no clock, the same result on every run.

Messages go in by log time; what the steps take to compute changes nothing. Static transforms are
read first, as a latched topic would have delivered them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from perception_stack.datatypes import Boxes3D, FrameResult, Latency
from perception_stack.errors import DataFileError, PerceptionError
from perception_stack.io import messages
from perception_stack.io.bags import BagMessage, BagReader
from perception_stack.io.recording import TOPIC_TYPES
from perception_stack.journal import Journal
from perception_stack.pipeline.chain import STEPS, Chain
from perception_stack.pipeline.config import ChainConfig

_INPUTS = ("points", "image", "depth", "camera_info", "detections")
_LEADING = ("points", "depth")
# who is told of a message of an input that cannot be used
_STEP_OF = {"points": "lidar_detector", "image": "detector", "tf": "tracker"}
_TF, _TF_STATIC = "/tf", "/tf_static"


@dataclass(slots=True)
class Replay:
    """One run of the chain over one recording.

    Attributes:
        reader: The recording.
        config: Parameters of all steps.
        topics: Topic in the recording by input name; names not given are looked for.
        journals: What was dropped and why, by step.
        latencies: Processing time of every call of a step.
        poses: Object poses, each in its camera's frame.
    """

    reader: BagReader
    config: ChainConfig
    topics: dict[str, str] = field(default_factory=dict)
    journals: dict[str, Journal] = field(default_factory=lambda: {s: Journal() for s in STEPS})
    latencies: list[Latency] = field(default_factory=list)
    poses: list[Boxes3D] = field(default_factory=list)

    def frames(self, on_message: Callable[[], None] = lambda: None) -> Iterator[FrameResult]:
        """The tracked list of each frame, in order.

        Args:
            on_message: Called after each message, for a progress bar.

        Raises:
            DataFileError: the recording has nothing that the chain could start from.
        """
        chain = Chain(self.config, self.journals)
        inputs = self._inputs()
        chain.warm_up()
        chain.expect_detections(
            ("image" if chain.detects_in_images else "detections") in inputs.values()
        )
        # with a model of our own, detections of somebody else would be a second opinion
        ignored = "detections" if chain.detects_in_images else "image"
        wanted = [topic for topic, name in inputs.items() if name != ignored]
        self._add_static(chain)
        now_ns = 0
        for message in self.reader.messages([*wanted, _TF]):
            now_ns = message.log_time_ns
            try:
                yield from chain.expire(now_ns)
                yield from self._push(chain, inputs.get(message.topic, _TF), message)
            except PerceptionError as error:
                step = _STEP_OF.get(inputs.get(message.topic, "tf"), "fusion")
                self.journals[step].count_error(error, stamp_ns=now_ns, where=message.topic)
            self._collect(chain)
            on_message()
        yield from chain.flush(now_ns)
        self._collect(chain)

    def _inputs(self) -> dict[str, str]:
        """Input name by topic of the recording."""
        found: dict[str, str] = {}
        for name in _INPUTS:
            kind = TOPIC_TYPES[f"/{name}"]
            topic = self.topics.get(name, f"/{name}")
            if self.reader.topics.get(topic) == kind:
                found[topic] = name
            elif name in self.topics:
                there = self.reader.topics.get(topic, "not there")
                why = f"topic '{topic}' given for '{name}' is {there}, not {kind}"
                raise DataFileError(self.reader.path, why)
        if not any(name in found.values() for name in _LEADING):
            listed = ", ".join(f"{topic} ({kind})" for topic, kind in self.reader.topics.items())
            why = (
                f"no topic /points ({TOPIC_TYPES['/points']}) and no /depth; it has: "
                f"{listed or 'nothing'}. Name them with --topic points:=/NAME"
            )
            raise DataFileError(self.reader.path, why)
        return found

    def _add_static(self, chain: Chain) -> None:
        for message in self.reader.messages([_TF_STATIC]):
            for transform, stamp_ns in messages.transforms_from_msg(message.message):
                chain.add_transform(transform, stamp_ns=stamp_ns, static=True)

    def _push(self, chain: Chain, name: str, message: BagMessage) -> Iterator[FrameResult]:
        msg, now_ns = message.message, message.log_time_ns
        if name == _TF:
            for transform, stamp_ns in messages.transforms_from_msg(msg):
                chain.add_transform(transform, stamp_ns=stamp_ns)
            yield from chain.tracking_ready(now_ns)
        elif name == "camera_info":
            chain.add_camera(messages.camera_from_msg(msg))
        elif name == "points":
            yield from chain.add_cloud(messages.cloud_from_msg(msg), arrival_ns=now_ns)
        elif name == "image":
            yield from chain.add_image(messages.image_from_msg(msg), arrival_ns=now_ns)
        elif name == "depth":
            yield from chain.add_depth(messages.depth_from_msg(msg), arrival_ns=now_ns)
        elif name == "detections":
            detections = messages.detections2d_from_msg(msg)
            yield from chain.add_detections(detections, arrival_ns=now_ns)

    def _collect(self, chain: Chain) -> None:
        self.latencies += chain.take_latencies()
        self.poses += chain.take_poses()
