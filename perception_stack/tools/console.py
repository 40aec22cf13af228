"""What the commands show on a terminal: lines, tables, progress."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


def say(text: str = "") -> None:
    """One line of output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns as wide as their widest cell; numbers to the right, text to the left."""
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    numeric = [
        bool(rows) and all(isinstance(row[i], (int, float)) or row[i] is None for row in rows)
        for i in range(len(header))
    ]
    lines = []
    for line in [list(header), ["-" * width for width in widths], *cells]:
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def progress(total: int, text: str, unit: str) -> Any:
    """A progress bar on standard error, silent where that is no terminal.

    Returns:
        An object with ``update(n)``, usable as a context manager.
    """
    from tqdm import tqdm

    return tqdm(total=total, desc=text, unit=unit, file=sys.stderr, disable=None, leave=False)


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.3f}" if abs(cell) < 10 else f"{cell:.1f}"
    return str(cell)
