"""Reading bags."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perception_stack.errors import DataFileError, PerceptionError
from perception_stack.io import interfaces
from perception_stack.io.bags.recovery import RecoveredStorage
from perception_stack.io.bags.sqlite_scan import is_complete
from perception_stack.io.bags.storage import SUFFIXES, Channel, IntactStorage, Storage

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BagMessage:
    """One message as it lies in the bag.

    Attributes:
        topic: Topic name.
        type: Full message type name.
        log_time_ns: When it was recorded; for bags written by this package the sensor stamp.
        raw: CDR serialisation.
    """

    topic: str
    type: str
    log_time_ns: int
    raw: bytes

    @property
    def message(self) -> Any:
        """The message, decoded anew at each access; number arrays are views of :attr:`raw`.

        Raises:
            DecodeError: a type this package does not know, or bytes that are no such message.
        """
        return interfaces.decode(self.raw, self.type)


class BagReader:
    """Messages of one bag by log time.

    A bag that was cut off, lost its index or its ``metadata.yaml`` is read as far as possible;
    :attr:`damage` then says what is wrong and a warning is logged.

    Args:
        path: Folder of a bag, or one ``.mcap`` or ``.db3`` file.

    Attributes:
        topics: Message type by topic name.
        counts: Number of messages by topic name.
        latched: Topics whose last message a late subscriber is to get.
        unknown_types: Number of messages by type, of types (or versions of types) that can only
            be carried raw.
        start_ns: Log time of the first message, 0 when there is none.
        end_ns: Log time of the last message, 0 when there is none.
        damage: What is wrong with the bag; empty for an intact one.

    Raises:
        DataFileError: no such path, no bag, or nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._storage = _open(path)
        self.damage = self._storage.damage
        self.start_ns, self.end_ns = self._storage.start_ns, self._storage.end_ns
        self.topics: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.unknown_types: dict[str, int] = {}
        for channel in sorted(self._storage.channels, key=lambda one: one.topic):
            self.topics[channel.topic] = channel.type
            self.counts[channel.topic] = self.counts.get(channel.topic, 0) + channel.count
            if not _is_known(channel):
                known_so_far = self.unknown_types.get(channel.type, 0)
                self.unknown_types[channel.type] = known_so_far + channel.count
        self.latched = frozenset(one.topic for one in self._storage.channels if one.latched)
        if self.damage:
            _log.warning("bag '%s': %s", path, self.damage)

    @property
    def duration_ns(self) -> int:
        """Time between the first and the last message."""
        return self.end_ns - self.start_ns

    def require(self, topics: Mapping[str, str]) -> None:
        """Make sure that topics are there, with messages of the right type.

        Args:
            topics: Full message type by topic name.

        Raises:
            DataFileError: one is missing, empty, or of another type or version; names what the
                bag has.
        """
        there = ", ".join(f"{topic} ({name})" for topic, name in self.topics.items()) or "nothing"
        for topic, name in topics.items():
            if topic not in self.topics:
                raise DataFileError(self.path, f"no topic {topic} ({name}); it has {there}")
            if self.topics[topic] != name:
                why = f"topic {topic} is {self.topics[topic]}, {name} is needed"
                raise DataFileError(self.path, why)
            if name in self.unknown_types:
                raise DataFileError(self.path, f"{topic} holds another version of {name}")
            if not self.counts[topic]:
                raise DataFileError(self.path, f"topic {topic} has no messages")

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Messages by log time; equal times in file order.

        Args:
            topics: Only these; None for all.

        Raises:
            DataFileError: the bag turned out to be damaged on the way.
        """
        wanted = self.topics if topics is None else topics
        expected = sum(self.counts.get(topic, 0) for topic in wanted)
        num, last_ns = 0, self.start_ns
        try:
            for channel, log_time_ns, raw in self._storage.messages(wanted):
                num, last_ns = num + 1, log_time_ns
                yield BagMessage(
                    topic=channel.topic, type=channel.type, log_time_ns=log_time_ns, raw=raw
                )
        except PerceptionError:
            raise
        except Exception as error:  # the library lets the errors of its codecs through
            passed_s = (last_ns - self.start_ns) / 1e9
            why = f"it is damaged {passed_s:.3f} s after its start: {error}"
            raise DataFileError(self.path, why) from error
        if num < expected:
            _log.warning("bag '%s': only %d of %d messages are there", self.path, num, expected)

    def close(self) -> None:
        """Let go of the files."""
        self._storage.close()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(path: Path) -> Storage:
    if not path.exists():
        raise DataFileError(path, "no such file or folder")
    files = [path] if path.is_file() else _storage_files(path)
    why = "a file is cut off or was not closed by its writer"
    try:
        if all(is_complete(file) for file in files if file.suffix == ".db3"):
            return IntactStorage(path)
    except Exception as error:  # the library does not foresee every damage
        why = str(error)
    return RecoveredStorage(files, why=why)


def _storage_files(folder: Path) -> list[Path]:
    """Storage files of a bag folder by number."""
    files = [one for one in folder.iterdir() if set(one.suffixes) & set(SUFFIXES)]
    if not files:
        raise DataFileError(folder, "it is no rosbag2 bag: no .mcap or .db3 file in it")
    numbers = re.compile(r"\d+")
    return sorted(files, key=lambda one: [int(digits) for digits in numbers.findall(one.name)])


def _is_known(channel: Channel) -> bool:
    if not interfaces.is_known(channel.type, channel.definition):
        return False
    ours: str = interfaces.typestore().hash_rihs01(channel.type)
    return channel.type_hash in ("", ours)
