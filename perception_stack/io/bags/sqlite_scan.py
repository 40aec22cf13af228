"""What can still be read of a rosbag2 SQLite file that was cut off or never closed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from perception_stack.errors import DataFileError
from perception_stack.io.bags.storage import Channel, is_latched

_DOUBTFUL = 32  # a row may come before the pages of its data, so more than the last one can suffer


def is_complete(path: Path) -> bool:
    """Whether a SQLite file is as long as its header says and has no journal of newer content.

    A reader may not notice either before it comes to a missing page.
    """
    with path.open("rb") as file:
        header = file.read(100)
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    num_bytes = page_bytes * int.from_bytes(header[28:32], "big")
    journal = Path(f"{path}-wal")
    unfinished = journal.exists() and journal.stat().st_size > 0
    return path.stat().st_size >= num_bytes and not unfinished


class SqliteScan:
    """Index of all messages up to the first page that is missing.

    A journal left behind by a writer that died is taken into account.

    Raises:
        DataFileError: the list of topics is lost.
    """

    def __init__(self, path: Path) -> None:
        self.channels: dict[int, Channel] = {}
        self.entries: list[tuple[int, int, int]] = []
        self.damage = ""
        self._path = path
        self._database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        self._database.text_factory = lambda data: data.decode(errors="replace")
        try:
            # without it SQLite refuses any file that is shorter than its header says
            self._database.execute("PRAGMA writable_schema=ON")
            self._read_topics()
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise DataFileError(path, f"its list of topics is lost ({error})") from error
        rows = self._database.execute("SELECT timestamp, topic_id, id FROM messages ORDER BY id")
        try:
            # row by row, so that those before the error are kept
            for row in rows:
                self.entries.append(row)
        except sqlite3.DatabaseError:
            self.damage = f"'{path.name}' is cut off or damaged"
        self._drop_unreadable()

    def fetch(self, place: int) -> bytes:
        """Serialised message of a row.

        Raises:
            DataFileError: the row cannot be read any more.
        """
        query = "SELECT data FROM messages WHERE id = ?"
        try:
            row = self._database.execute(query, (place,)).fetchone()
        except sqlite3.DatabaseError as error:
            raise DataFileError(self._path, f"message {place} is damaged ({error})") from error
        if row is None:  # what looked like a row was none
            raise DataFileError(self._path, f"message {place} is lost")
        raw: bytes = row[0]
        return raw

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _read_topics(self) -> None:
        columns = {row[1] for row in self._database.execute("PRAGMA table_info(topics)")}
        qos = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        for number, topic, name, offered in self._database.execute(
            f"SELECT id, name, type, {qos} FROM topics"
        ):
            self.channels[number] = Channel(
                topic=topic,
                type=name,
                definition="",
                type_hash="",
                latched=is_latched(offered),
                count=0,
            )

    def _drop_unreadable(self) -> None:
        """Take those of the last entries away whose data lie beyond the cut."""
        for entry in self.entries[-_DOUBTFUL:]:
            try:
                self.fetch(entry[2])
            except DataFileError:
                self.entries.remove(entry)
                self.damage = f"'{self._path.name}' is cut off"
