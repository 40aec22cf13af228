"""``perception-stack calibrate``: what can be calibrated."""

from __future__ import annotations

import argparse

from perception_stack.errors import ConfigError

EXAMPLES = """examples:
  perception-stack calibrate target-free --help
  perception-stack calibrate time-offset --help

Each writes its result and beside it a grade: RESULT.grade.yaml for programs and
RESULT.report.html for people.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command: none, a second word says what to calibrate."""
    parser.add_argument("what", nargs="?", default="", help="what to calibrate")


def run(args: argparse.Namespace) -> int:
    """Say what there is."""
    from perception_stack.tools.main import FORMATS

    known = [name for name in FORMATS if name.startswith("calibrate ")]
    asked = f"'{args.what}' is none of " if args.what else "say what to calibrate: "
    raise ConfigError(asked + ", ".join(f"perception-stack {name}" for name in known))
