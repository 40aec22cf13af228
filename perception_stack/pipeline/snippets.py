"""Short bags around frames worth a label, and the list of them.

A snippet is a bag in a folder of its own and a line in ``snippets.jsonl``. It is written under
another name first, so what has its name is whole.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from perception_stack.errors import DataFileError
from perception_stack.io.bags import BagWriter
from perception_stack.watch.collect import Interest, Why

INDEX = "snippets.jsonl"


class RawMessage(NamedTuple):
    """A message as it came.

    Attributes:
        stamp_ns: Its stamp.
        topic: Its topic in the bag.
        type_name: Full message type name.
        raw: CDR serialisation.
    """

    stamp_ns: int
    topic: str
    type_name: str
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """One line of the list.

    Attributes:
        bag: Folder of the bag, beside the list.
        stamp_ns: Stamp of the frame that is worth a label.
        reasons: Why.
        num_bytes: Of all messages.
    """

    bag: str
    stamp_ns: int
    reasons: tuple[Interest, ...]
    num_bytes: int


def write_snippet(
    folder: Path,
    messages: Sequence[RawMessage],
    reasons: Sequence[Interest],
    *,
    storage: str,
) -> Snippet:
    """Write the messages and a line about them.

    Args:
        folder: Of all snippets.
        messages: By stamp.
        reasons: Why; the first one's frame is the one worth a label.
        storage: Format of the bag.
    """
    first = reasons[0]
    name = f"{first.stamp_ns}_{first.why.value}"
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while (folder / name).exists():  # the same recording played again
        number += 1
        name = f"{first.stamp_ns}_{first.why.value}_{number}"
    partial = folder / f".{name}.part"
    with BagWriter(partial, storage=storage) as writer:
        for one in messages:
            writer.write_raw(one.topic, one.raw, type_name=one.type_name, log_time_ns=one.stamp_ns)
    partial.rename(folder / name)
    snippet = Snippet(
        bag=name,
        stamp_ns=first.stamp_ns,
        reasons=tuple(reasons),
        num_bytes=sum(len(one.raw) for one in messages),
    )
    with (folder / INDEX).open("a", encoding="utf-8") as index:
        index.write(json.dumps(asdict(snippet)) + "\n")
    return snippet


def read_snippets(folder: Path) -> list[Snippet]:
    """The list of a folder, in the order in which snippets were written.

    Raises:
        DataFileError: no list, or a line that is none of it; says which.
    """
    path = folder / INDEX
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataFileError(path, f"{error.strerror}; is it a folder of snippets?") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(_snippet(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise DataFileError(path, f"line {number}: {error!r}") from error
    return found


def _snippet(content: dict[str, Any]) -> Snippet:
    reasons = tuple(
        Interest(
            why=Why(one["why"]),
            about=str(one["about"]),
            text=str(one["text"]),
            stamp_ns=int(one["stamp_ns"]),
        )
        for one in content["reasons"]
    )
    return Snippet(
        bag=str(content["bag"]),
        stamp_ns=int(content["stamp_ns"]),
        reasons=reasons,
        num_bytes=int(content["num_bytes"]),
    )


def folder_bytes(folder: Path) -> int:
    """What a folder holds; 0 if there is none."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
