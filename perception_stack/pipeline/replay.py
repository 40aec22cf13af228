"""Runs the chain over a recording: no DDS, no clock, the same result on every run.

Messages go in by log time; what the steps take to compute changes nothing. Static transforms are
read first, as a latched topic would have delivered them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from perception_stack.datatypes import Boxes3D, FrameResult, Latency
from perception_stack.errors import ConfigError, DataFileError, PerceptionError
from perception_stack.io import messages
from perception_stack.io.bags import BagMessage, BagReader
from perception_stack.io.recording import TOPIC_TYPES
from perception_stack.journal import Journal
from perception_stack.pipeline.chain import STEPS, Chain
from perception_stack.pipeline.config import ChainConfig
from perception_stack.pipeline.inputs import (
    LEADING,
    Input,
    all_inputs,
    expect,
    feed,
    inputs_of,
)

# who is told of a message of an input that cannot be used
_STEP_OF = {
    "points": "lidar_detector",
    "depth": "depth_detector",
    "depth_camera_info": "depth_detector",
    "image": "detector",
    "image/compressed": "detector",
    "tf": "tracker",
}
_TF, _TF_STATIC = "/tf", "/tf_static"
_TRANSFORMS = Input("", "tf", "tf")


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
        expect(chain, self.config, lambda one: one in inputs.values())
        self._add_static(chain)
        now_ns = 0
        for message in self.reader.messages([*inputs, _TF]):
            now_ns = message.log_time_ns
            given = inputs.get(message.topic, _TRANSFORMS)
            try:
                yield from chain.expire(now_ns)
                yield from self._push(chain, given, message)
            except PerceptionError as error:
                journal = self.journals[_STEP_OF.get(given.kind, "fusion")]
                journal.count_error(error, stamp_ns=now_ns, where=message.topic)
            self._collect(chain)
            on_message()
        yield from chain.flush(now_ns)
        self._collect(chain)

    def _inputs(self) -> dict[str, Input]:
        """Input by topic of the recording."""
        found: dict[str, Input] = {}
        names = [one.topic for one in all_inputs(self.config)]
        if unknown := self.topics.keys() - set(names):
            raise ConfigError(f"no input '{min(unknown)}'; there are: {', '.join(names)}")
        inputs = inputs_of(self.config)
        for one in inputs:
            kind = TOPIC_TYPES[f"/{one.kind}"]
            topic = self.topics.get(one.topic, f"/{one.topic}")
            if self.reader.topics.get(topic) == kind:
                found[topic] = one
            elif one.topic in self.topics:
                there = self.reader.topics.get(topic, "not there")
                why = f"topic '{topic}' given for '{one.topic}' is {there}, not {kind}"
                raise DataFileError(self.reader.path, why)
        if not any(one.kind in LEADING for one in found.values()):
            listed = ", ".join(f"{topic} ({kind})" for topic, kind in self.reader.topics.items())
            leading = " or ".join(f"/{one.topic}" for one in inputs if one.kind in LEADING)
            why = f"no topic {leading}; it has: {listed or 'nothing'}. Name it with --topic"
            raise DataFileError(self.reader.path, f"{why} points:=/NAME")
        return found

    def _add_static(self, chain: Chain) -> None:
        for message in self.reader.messages([_TF_STATIC]):
            for transform, stamp_ns in messages.transforms_from_msg(message.message):
                chain.add_transform(transform, stamp_ns=stamp_ns, static=True)

    def _push(self, chain: Chain, given: Input, message: BagMessage) -> list[FrameResult]:
        if given != _TRANSFORMS:
            return feed(chain, given, message.message, arrival_ns=message.log_time_ns)
        for transform, stamp_ns in messages.transforms_from_msg(message.message):
            chain.add_transform(transform, stamp_ns=stamp_ns)
        return chain.ready(message.log_time_ns)

    def _collect(self, chain: Chain) -> None:
        self.latencies += chain.take_latencies()
        self.poses += chain.take_poses()
