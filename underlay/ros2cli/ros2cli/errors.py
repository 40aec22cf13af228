"""What can be wrong with a launch file or a command line."""

from __future__ import annotations


class LaunchError(Exception):
    """Something that cannot be launched; the text says what and, once known, where."""

    def __init__(self, text: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {text}" if where else text)
        self.has_place = bool(where)

    def at(self, where: str) -> LaunchError:
        """The same with its place, unless it has one."""
        return self if self.has_place else LaunchError(str(self), where=where)
