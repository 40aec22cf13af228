"""What a bag holds and how its messages are fetched, whatever the file format.

:class:`IntactStorage` reads what its writer closed properly, through the ``rosbags`` library;
:mod:`perception_stack.io.bags.recovery` reads the rest of what was not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

MCAP_MAGIC = b"\x89MCAP0\r\n"
SQLITE_MAGIC = b"SQLite format 3\0"
SUFFIXES = (".mcap", ".db3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One topic of a bag.

    Attributes:
        topic: Its name.
        type: Full message type name.
        definition: The ``.msg`` text stored in the bag; empty where there is none.
        type_hash: REP 2011 hash stored in the bag; empty where there is none.
        latched: Offered as transient local, so that late subscribers get the last message.
        count: Number of messages.
    """

    topic: str
    type: str
    definition: str
    type_hash: str
    latched: bool
    count: int


def is_latched(qos_text: str) -> bool:
    """Whether the QoS text of a topic, in either spelling of rosbag2, names transient local."""
    return any(f"durability: {value}" in qos_text for value in ("1", "transient_local"))


class Storage(Protocol):
    """Messages of one bag."""

    channels: tuple[Channel, ...]
    damage: str
    start_ns: int
    end_ns: int

    def messages(self, topics: Collection[str]) -> Iterator[tuple[Channel, int, bytes]]:
        """Channel, log time and serialised message by log time; equal times in file order."""

    def close(self) -> None:
        """Let go of the files."""


class IntactStorage:
    """A bag with everything in place.

    Args:
        path: Folder with ``metadata.yaml``, or one storage file.

    Raises:
        rosbags.rosbag2.ReaderError: the bag is not intact.
    """

    def __init__(self, path: Path) -> None:
        from rosbags.interfaces import ConnectionExtRosbag2, MessageDefinitionFormat, QosDurability
        from rosbags.rosbag2 import Reader

        self.damage = ""
        self._reader = Reader(path)
        self._reader.open()
        empty = self._reader.message_count == 0
        self.start_ns = 0 if empty else self._reader.start_time
        self.end_ns = 0 if empty else self._reader.end_time - 1  # the library counts past the end
        self._by_id: dict[int, Channel] = {}
        for connection in self._reader.connections:
            definition, ext = connection.msgdef, connection.ext
            offers = ext.offered_qos_profiles if isinstance(ext, ConnectionExtRosbag2) else []
            self._by_id[connection.id] = Channel(
                topic=connection.topic,
                type=connection.msgtype,
                definition=(
                    definition.data if definition.format == MessageDefinitionFormat.MSG else ""
                ),
                type_hash=connection.digest,
                latched=any(one.durability == QosDurability.TRANSIENT_LOCAL for one in offers),
                count=connection.msgcount,
            )
        self.channels = tuple(self._by_id.values())

    def messages(self, topics: Collection[str]) -> Iterator[tuple[Channel, int, bytes]]:
        """Channel, log time and serialised message by log time; equal times in file order."""
        wanted = [one for one in self._reader.connections if one.topic in topics]
        if not wanted:  # the library takes an empty list for "all"
            return
        for connection, log_time_ns, raw in self._reader.messages(wanted):
            yield self._by_id[connection.id], log_time_ns, raw

    def close(self) -> None:
        """Let go of the files."""
        self._reader.close()
