"""Writing bags."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from perception_stack.errors import ConfigError
from perception_stack.io import interfaces
from perception_stack.io.bags.storage import SUFFIXES

STORAGES = ("mcap", "sqlite3")
_LATCHED = ("/tf_static",)


class BagWriter:
    """A new bag, also readable by ``ros2 bag``.

    Topics are offered reliable, keep last 10; ``/tf_static`` also transient local. The bag is
    finished when the ``with`` block ends, also by an error: what was written can be read.

    Args:
        path: Folder to make.
        storage: One of :data:`STORAGES`.

    Raises:
        ConfigError: the path exists, looks like a file, or no such storage.
    """

    def __init__(self, path: Path, *, storage: str = "mcap") -> None:
        from rosbags.rosbag2 import StoragePlugin, Writer

        if storage not in STORAGES:
            raise ConfigError(f"bag storage '{storage}' is not one of {', '.join(STORAGES)}")
        if path.suffix in SUFFIXES:
            raise ConfigError(f"a bag is a folder; write it to '{path.with_suffix('')}'")
        if path.exists():
            raise ConfigError(f"'{path}' exists; remove it or name another folder for the bag")
        # version 8 is the newest that every ROS 2 from Humble on can read
        self._writer = Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()])
        self._connections: dict[str, Any] = {}
        self._writer.open()

    def write(self, topic: str, message: Any, *, log_time_ns: int) -> None:
        """Append a message made by :func:`~perception_stack.io.interfaces.build_message`."""
        raw, name = interfaces.encode(message)
        self.write_raw(topic, raw, type_name=name, log_time_ns=log_time_ns)

    def write_raw(
        self, topic: str, raw: bytes | memoryview, *, type_name: str, log_time_ns: int
    ) -> None:
        """Append a serialised message, as a middleware delivers it."""
        self.add_topic(topic, type_name=type_name)
        self._writer.write(self._connections[topic], log_time_ns, raw)

    def add_topic(self, topic: str, *, type_name: str) -> None:
        """Name a topic that the bag should have even if no message comes.

        Raises:
            ConfigError: a type this package does not know, or another one than before.
        """
        if topic in self._connections:
            if self._connections[topic].msgtype != type_name:
                was = self._connections[topic].msgtype
                raise ConfigError(f"topic {topic} is {was}, not {type_name}")
            return
        if not interfaces.is_known(type_name):
            raise ConfigError(f"topic {topic}: no definition of message type {type_name}")
        self._connections[topic] = self._writer.add_connection(
            topic,
            type_name,
            typestore=interfaces.typestore(),
            offered_qos_profiles=[_offered_qos(latched=topic in _LATCHED)],
        )

    def close(self) -> None:
        """Write the index and ``metadata.yaml``; more calls do nothing."""
        if self._writer.storage is not None:
            self._writer.close()

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _offered_qos(*, latched: bool) -> Any:
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )

    never = QosTime(0, 0)
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=10,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=never,
        lifespan=never,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=never,
        avoid_ros_namespace_conventions=False,
    )
