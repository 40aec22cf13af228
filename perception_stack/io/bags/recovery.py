"""Reading bags that were not closed properly: cut off, without index, without ``metadata.yaml``.

Every storage file is scanned once for what can still be read, which gives an index in memory;
messages are then fetched in log-time order. Slower than reading an intact bag, never silent: the
damage is told in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from perception_stack.errors import DataFileError
from perception_stack.io.bags.mcap_scan import McapScan
from perception_stack.io.bags.sqlite_scan import SqliteScan
from perception_stack.io.bags.storage import MCAP_MAGIC, SQLITE_MAGIC, Channel


class Scan(Protocol):
    """What can be read of one storage file.

    Attributes:
        channels: By channel number; the count is not filled in.
        entries: Log time, channel number and place of each message in file order.
        damage: What is wrong with the file; empty when nothing is.
    """

    channels: dict[int, Channel]
    entries: list[tuple[int, int, Any]]
    damage: str

    def fetch(self, place: Any) -> bytes:
        """Serialised message at a place."""

    def close(self) -> None:
        """Let go of the file."""


@dataclass(frozen=True, slots=True)
class _Entry:
    log_time_ns: int
    channel: Channel
    scan: Scan
    place: Any


class RecoveredStorage:
    """What can be read of a bag that is not intact.

    Args:
        files: Its storage files, oldest first.
        why: Why it is not read the ordinary way; used when the files themselves show no damage.

    Raises:
        DataFileError: a file is no bag at all, or nothing can be read of any.
    """

    def __init__(self, files: Sequence[Path], *, why: str) -> None:
        self._scans = [_scan(file) for file in files]
        entries = [
            _Entry(log_time_ns, scan.channels[number], scan, place)
            for scan in self._scans
            for log_time_ns, number, place in scan.entries
            if number in scan.channels
        ]
        self._entries = sorted(entries, key=lambda one: one.log_time_ns)
        told = "; ".join(scan.damage for scan in self._scans if scan.damage) or why
        if not entries:
            self.close()
            raise DataFileError(files[0], f"no message can be recovered: {told}")
        self.start_ns = self._entries[0].log_time_ns
        self.end_ns = self._entries[-1].log_time_ns
        counts = Counter(one.channel.topic for one in entries)
        by_topic = {one.topic: one for scan in self._scans for one in scan.channels.values()}
        self.channels = tuple(replace(one, count=counts[one.topic]) for one in by_topic.values())
        self.damage = f"{told}; {len(entries)} messages were recovered"

    def messages(self, topics: Collection[str]) -> Iterator[tuple[Channel, int, bytes]]:
        """Channel, log time and serialised message by log time; equal times in file order."""
        for one in self._entries:
            if one.channel.topic in topics:
                yield one.channel, one.log_time_ns, one.scan.fetch(one.place)

    def close(self) -> None:
        """Let go of the files."""
        for scan in self._scans:
            scan.close()


def _scan(path: Path) -> Scan:
    try:
        with path.open("rb") as file:
            start = file.read(len(SQLITE_MAGIC))
    except OSError as error:
        raise DataFileError(path, error.strerror or str(error)) from error
    if start.startswith(MCAP_MAGIC):
        return McapScan(path)
    if start == SQLITE_MAGIC:
        return SqliteScan(path)
    if start.startswith(b"#ROSBAG V"):
        raise DataFileError(path, "it is a ROS 1 bag; convert it with 'rosbags-convert' first")
    what = "is empty" if not start else "holds neither MCAP nor SQLite data"
    raise DataFileError(path, f"it is no rosbag2 bag: the file {what}")
