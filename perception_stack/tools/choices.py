"""Commands that are only the first of two words, such as ``perception-stack calibrate``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from perception_stack.errors import ConfigError


class Choices:
    """Stands for the module of such a command, and says which second words there are.

    Args:
        text: What the second word says.
        known: The commands of two words.
        note: What holds for all of them; may be empty.
    """

    def __init__(self, text: str, known: Sequence[str], note: str = "") -> None:
        self._text = text
        self._known = [f"perception-stack {name}" for name in known]
        lines = [f"  {name} --help" for name in self._known]
        self.EXAMPLES = "\n".join(["examples:", *lines, *([f"\n{note}"] if note else []), ""])

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what was typed in place of a second word that there is."""
        parser.add_argument("what", nargs="?", default="", help=self._text)

    def run(self, args: argparse.Namespace) -> int:
        """Say what there is.

        Raises:
            ConfigError: always.
        """
        asked = f"'{args.what}' is none of " if args.what else f"say {self._text}: "
        raise ConfigError(asked + ", ".join(self._known))
