"""``perception-stack watch``: what is usual, what no longer is, what is worth a label."""

from __future__ import annotations

import argparse

from perception_stack.tools.choices import add_second_word, say_choices

_TEXT = "what to do"

EXAMPLES = """examples:
  perception-stack watch learn --help
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command: none, a second word says what to do."""
    add_second_word(parser, _TEXT)


def run(args: argparse.Namespace) -> int:
    """Say what there is."""
    return say_choices("watch", args.what, _TEXT)
