"""Commands that are only the first of two words, such as ``perception-stack calibrate``."""

from __future__ import annotations

import argparse

from perception_stack.errors import ConfigError


def add_second_word(parser: argparse.ArgumentParser, text: str) -> None:
    """Declare what was typed in place of a second word that there is."""
    parser.add_argument("what", nargs="?", default="", help=text)


def say_choices(command: str, what: str, text: str) -> int:
    """Say which second words there are.

    Args:
        command: The first word.
        what: What was typed as the second one; may be empty.
        text: What the second word says.

    Raises:
        ConfigError: always.
    """
    from perception_stack.tools.main import FORMATS

    known = [name for name in FORMATS if name.startswith(f"{command} ")]
    asked = f"'{what}' is none of " if what else f"say {text}: "
    raise ConfigError(asked + ", ".join(f"perception-stack {name}" for name in known))
