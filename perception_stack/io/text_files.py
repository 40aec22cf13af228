"""Text files: as a whole, as YAML or JSON, as a table of numbers, and with one object a row.

What cannot be read is a :class:`~perception_stack.errors.DataFileError`, whoever reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        DataFileError: no such file, or not text (UTF-8).
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataFileError(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise DataFileError(path, "it is not a text file") from error


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        DataFileError: no such file, or not YAML.
    """
    import yaml

    try:
        return yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise DataFileError(path, f"not YAML: {error}") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        DataFileError: no such file, or not JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataFileError(path, f"not JSON: {error}") from error


def read_numbers(path: Path, *, delimiter: str | None = ",") -> FloatArray:
    """Rows of numbers, float64 [N, C], separated by a delimiter or, where that is None, by blanks.

    Raises:
        DataFileError: no such file, or not numbers alone.
    """
    lines = read_text(path).splitlines()
    if not any(map(str.strip, lines)):
        return np.empty((0, 0))  # NumPy would warn
    try:
        rows: FloatArray = np.loadtxt(lines, delimiter=delimiter, ndmin=2)
    except ValueError as error:
        raise DataFileError(path, f"not a table of numbers: {error}") from error
    return rows


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
    for number, line in enumerate(read_text(path).splitlines(), start=1):
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
        if not all(map(isfinite, numbers)):
            raise DataFileError(path, f"line {number}: a number that is not finite")
        yield Row(tuple(cells[i] for i in names), numbers)
