"""Text files with one object per row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perception_stack.errors import DataFileError


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its words, and its numbers without the words between them."""

    names: tuple[str, ...]
    numbers: tuple[float, ...]


def read_rows(path: Path, *, names: tuple[int, ...] = (), num_columns: int) -> Iterator[Row]:
    """The rows of a file, separated by blanks or commas; more columns than needed are ignored.

    Args:
        path: The file.
        names: Columns that hold words.
        num_columns: Columns needed in each row.

    Raises:
        DataFileError: no such file, or a row that does not fit; says which.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataFileError(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise DataFileError(path, "it is not a text file") from error
    for number, line in enumerate(lines, start=1):
        cells = line.replace(",", " ").split()
        if not cells:
            continue
        if len(cells) < num_columns:
            text = f"line {number} has {len(cells)} columns, expected {num_columns}"
            raise DataFileError(path, text)
        cells = cells[:num_columns]
        try:
            numbers = tuple(float(cell) for i, cell in enumerate(cells) if i not in names)
        except ValueError as error:
            raise DataFileError(path, f"line {number}: {error}") from error
        yield Row(tuple(cells[i] for i in names), numbers)
