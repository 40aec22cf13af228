"""The screen and the log file of one launch."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TextIO


class LaunchLog:
    """Writes lines of launch itself and of its processes where they belong.

    Args:
        path: The log file; made with its folders.
        screen: Where to show lines.
    """

    def __init__(self, path: Path, screen: TextIO = sys.stdout) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("w", encoding="utf-8")
        self._screen = screen

    def say(self, level: str, name: str, text: str) -> None:
        """Tell people what happens; the level is INFO, WARNING or ERROR."""
        self._write(self._screen, f"[{level}] [{name}]: {text}")
        self._write(self._file, f"{time.time():.7f} [{level}] [{name}]: {text}")

    def output(self, label: str, line: str, *, to_screen: bool, to_file: bool) -> None:
        """A line of a process."""
        if to_screen:
            self._write(self._screen, f"[{label}] {line}")
        if to_file:
            self._write(self._file, f"{time.time():.7f} [{label}] {line}")

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    @staticmethod
    def _write(stream: TextIO, line: str) -> None:
        # whoever reads the screen may be gone; the processes still have to be ended properly
        try:
            stream.write(f"{line}\n")
            stream.flush()
        except BrokenPipeError:
            pass


def log_path(environment: Mapping[str, str]) -> Path:
    """A log file of its own, where ``ROS_LOG_DIR`` or ``ROS_HOME`` say."""
    home = Path(environment.get("ROS_HOME") or "~/.ros").expanduser()
    base = Path(environment.get("ROS_LOG_DIR") or home / "log").expanduser()
    now = datetime.now().astimezone().strftime("%Y-%m-%d-%H-%M-%S-%f")
    return base / f"{now}-{socket.gethostname()}-{os.getpid()}" / "launch.log"
