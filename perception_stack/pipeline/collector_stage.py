"""The frame collector over time: keeps the last seconds, and writes them when they are worth it.

Messages stay as bytes; only the small ones are decoded, and an image when it is to be compared.
What is kept depends on the messages and their stamps, not on when they come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from perception_stack.errors import ConfigError, PerceptionError
from perception_stack.io import interfaces, messages
from perception_stack.io.messages.headers import raw_stamp_ns
from perception_stack.io.recording import TOPIC_TYPES
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.snippets import RawMessage, Snippet, folder_bytes, write_snippet
from perception_stack.watch.collect import (
    Budget,
    DisagreementWatch,
    FlickerWatch,
    FrameCollectorConfig,
    Interest,
    Novelty,
    Why,
    uncertain,
)

TYPES = {
    name: TOPIC_TYPES[f"/{name}"]
    for name in ("image", "camera_info", "points", "detections", "detections_3d")
} | {
    "objects": "perception_stack/msg/TrackedObjectArray",
    "tf": "tf2_msgs/msg/TFMessage",
    "tf_static": "tf2_msgs/msg/TFMessage",
}
"""Type by name of what a snippet may hold."""

_TRANSFORMS = ("tf", "tf_static")
_JUMP_BACK_NS = 1_000_000_000
_MOST_STATIC = 50
_MEGA = 1_000_000
# the same view again says nothing new; a shift or a flicker does
_ONLY_NEW = (Why.UNCERTAIN, Why.DISAGREE)


class CollectorStage:
    """Messages in, snippets on the disk.

    Args:
        config: What is worth a label, and how much is kept.
        journal: Told of what was not kept and why.

    Raises:
        ConfigError: no folder to write to.
    """

    def __init__(self, config: FrameCollectorConfig, journal: Journal) -> None:
        if not config.enabled:
            raise ConfigError("nothing is collected; set frame_collector.out_dir to a folder")
        self._config, self._journal = config, journal
        self._folder = Path(config.out_dir).expanduser()
        self._num_bytes = folder_bytes(self._folder)
        self._budget, self._novelty = Budget(config), Novelty(config.likeness)
        self._disagreement, self._flicker = DisagreementWatch(config), FlickerWatch(config)
        self._kept: deque[RawMessage] = deque()
        self._kept_bytes = 0
        self._static: dict[bytes, RawMessage] = {}
        self._newest_ns = 0
        self._reasons: list[Interest] = []
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._writing: list[Future[Snippet]] = []
        self.num_snippets = 0

    def push(self, name: str, raw: bytes) -> None:
        """One message.

        Args:
            name: One of :data:`TYPES`.
            raw: CDR serialisation.

        Raises:
            DecodeError: bytes that are no such message.
        """
        message = self._raw_message(name, raw)
        if name not in _TRANSFORMS and message.stamp_ns < self._newest_ns - _JUMP_BACK_NS:
            detail = f"from {self._newest_ns} to {message.stamp_ns} ns"
            self._journal.count(Reason.STAMP_JUMP, stamp_ns=message.stamp_ns, detail=detail)
            self.flush()
            self._newest_ns = 0
        if name not in _TRANSFORMS:  # their stamps may lie ahead
            self._newest_ns = max(self._newest_ns, message.stamp_ns)
        self._collect_written()
        if name == "tf_static":
            self._static[raw] = message
            while len(self._static) > _MOST_STATIC:
                self._static.pop(next(iter(self._static)))
            return
        self._keep(message)
        for one in self._interests(name, raw):
            self.note(one)
        if self._reasons and self._newest_ns > self._end_ns:
            self._write()

    def note(self, interest: Interest) -> None:
        """A reason to keep a frame."""
        if self._reasons:
            told = {(one.why, one.about) for one in self._reasons}
            if (interest.why, interest.about) not in told:
                self._reasons.append(interest)
            return
        refusal = self._budget.refusal(interest)
        if refusal:
            self._refuse(Reason.OVER_BUDGET, interest, refusal)
        elif self._num_bytes >= self._config.quota_mb * _MEGA:
            detail = f"'{self._folder}' holds {self._num_bytes / _MEGA:.0f} MB"
            self._refuse(Reason.QUOTA_FULL, interest, detail)
        elif interest.why in _ONLY_NEW and self._is_known():
            self._refuse(Reason.KNOWN_SCENE, interest, "an image like it was kept")
        else:
            self._budget.spend(interest)
            self._reasons = [interest]

    def note_drift(self, about: str, text: str) -> None:
        """Something no longer is as usual; the newest frame shows it."""
        self.note(Interest(why=Why.DRIFT, about=about, text=text, stamp_ns=self._newest_ns))

    def flush(self) -> None:
        """Write what waits for later messages, and forget what was kept."""
        if self._reasons:
            self._write()
        self._kept.clear()
        self._kept_bytes = 0

    def close(self) -> None:
        """Write what waits, and wait until it is written."""
        self.flush()
        self._writer.shutdown(wait=True)
        self._collect_written()

    @property
    def _end_ns(self) -> int:
        return self._reasons[0].stamp_ns + round(self._config.after_s * 1e9)

    def _raw_message(self, name: str, raw: bytes) -> RawMessage:
        # what is newest when they come is what they are to be played with
        stamp_ns = self._newest_ns if name in _TRANSFORMS else raw_stamp_ns(raw)
        return RawMessage(stamp_ns, f"/{name}", TYPES[name], raw)

    @staticmethod
    def _decode(name: str, raw: bytes) -> Any:
        return interfaces.decode(raw, TYPES[name])

    def _keep(self, message: RawMessage) -> None:
        self._kept.append(message)
        self._kept_bytes += len(message.raw)
        start_ns = self._reasons[0].stamp_ns if self._reasons else self._newest_ns
        start_ns -= round(self._config.before_s * 1e9)
        num_lost = 0
        while self._kept:
            oldest = self._kept[0]
            too_many = self._kept_bytes > self._config.buffer_mb * _MEGA
            if oldest.stamp_ns >= start_ns and not too_many:
                break
            num_lost += oldest.stamp_ns >= start_ns
            self._kept_bytes -= len(oldest.raw)
            self._kept.popleft()
        detail = f"buffer_mb is {self._config.buffer_mb}"
        self._journal.count(
            Reason.QUEUE_FULL, stamp_ns=message.stamp_ns, detail=detail, num=num_lost
        )

    def _interests(self, name: str, raw: bytes) -> Sequence[Interest]:
        match name:
            case "detections":
                detections = messages.detections2d_from_msg(self._decode(name, raw))
                self._disagreement.add_detections(detections)
                return uncertain(detections, self._config)
            case "detections_3d":
                boxes = messages.boxes3d_from_msg(self._decode(name, raw))
                return self._disagreement.add_boxes(boxes)
            case "objects":
                return self._flicker.add(messages.objects_from_msg(self._decode(name, raw)))
        return ()

    def _is_known(self) -> bool:
        image = self._newest_image()
        return image is not None and self._novelty.is_known(image)

    def _newest_image(self) -> Any:
        newest = next((one for one in reversed(self._kept) if one.topic == "/image"), None)
        return (
            None if newest is None else messages.image_from_msg(self._decode("image", newest.raw))
        )

    def _refuse(self, reason: Reason, interest: Interest, detail: str) -> None:
        text = f"{interest.why.value}: {interest.text}; {detail}"
        self._journal.count(reason, stamp_ns=interest.stamp_ns, detail=text)

    def _write(self) -> None:
        end_ns = self._end_ns
        reasons, self._reasons = self._reasons, []
        try:
            image = self._newest_image()
        except PerceptionError:
            image = None  # it was dropped by whoever needed it, and counted there
        if image is not None:
            self._novelty.remember(image)
        kept = sorted(
            (one for one in self._kept if one.stamp_ns <= end_ns), key=lambda one: one.stamp_ns
        )
        start_ns = kept[0].stamp_ns if kept else reasons[0].stamp_ns
        static = [one._replace(stamp_ns=start_ns) for one in self._static.values()]
        self._writing.append(
            self._writer.submit(
                write_snippet,
                self._folder,
                [*static, *kept],
                reasons,
                storage=self._config.storage,
            )
        )

    def _collect_written(self) -> None:
        """Count what the other thread has finished, or could not."""
        while self._writing and self._writing[0].done():
            done = self._writing.pop(0)
            try:
                snippet = done.result()
            except (OSError, PerceptionError) as error:
                detail = f"'{self._folder}': {error}"
                self._journal.count(Reason.BAD_FILE, stamp_ns=self._newest_ns, detail=detail)
            else:
                self.num_snippets += 1
                self._num_bytes += snippet.num_bytes
