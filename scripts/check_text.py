#!/usr/bin/env python3
"""Names each given file with a trailing blank, a wrong end, a conflict mark or a private key."""

from __future__ import annotations

import re
import sys
from pathlib import Path

MAX_BYTES = 500_000
FAULTS = {
    "blank at the end of a line": re.compile(rb"[ \t]+$", re.MULTILINE),
    "carriage return": re.compile(rb"\r"),
    "merge conflict mark": re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE),
    "private key": re.compile(rb"BEGIN (RSA |EC |OPENSSH )?PRIVATE KEY" + rb"-----"),
}


def faults(path: Path) -> list[str]:
    """What is wrong with a file, one line each."""
    content = path.read_bytes()
    found = [f"{path}: {name}" for name, pattern in FAULTS.items() if pattern.search(content)]
    if content and (not content.endswith(b"\n") or content.endswith(b"\n\n")):
        found.append(f"{path}: does not end in one newline")
    if len(content) > MAX_BYTES:
        found.append(f"{path}: {len(content)} bytes; larger files belong outside the repository")
    return found


def main() -> int:
    """Exit code 1 when any file has a fault."""
    found = [fault for name in sys.argv[1:] for fault in faults(Path(name))]
    sys.stdout.write("".join(f"{fault}\n" for fault in found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
