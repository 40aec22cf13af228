"""``perception-stack train``: which networks can be trained."""

from __future__ import annotations

import argparse

from perception_stack.tools.choices import add_second_word, say_choices

_TEXT = "what to train"

EXAMPLES = """examples:
  perception-stack train detector --help
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command: none, a second word says what to train."""
    add_second_word(parser, _TEXT)


def run(args: argparse.Namespace) -> int:
    """Say what there is."""
    return say_choices("train", args.what, _TEXT)
