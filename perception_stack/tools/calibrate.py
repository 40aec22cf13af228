"""``perception-stack calibrate``: what can be calibrated."""

from __future__ import annotations

import argparse

from perception_stack.tools.choices import add_second_word, say_choices

_TEXT = "what to calibrate"

EXAMPLES = """examples:
  perception-stack calibrate camera --help
  perception-stack calibrate stereo --help
  perception-stack calibrate hand-eye --help
  perception-stack calibrate lidar-camera --help

Each writes its result and beside it a grade: RESULT.grade.yaml for programs and
RESULT.report.html for people.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command: none, a second word says what to calibrate."""
    add_second_word(parser, _TEXT)


def run(args: argparse.Namespace) -> int:
    """Say what there is."""
    return say_choices("calibrate", args.what, _TEXT)
