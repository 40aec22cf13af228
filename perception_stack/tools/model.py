"""``perception-stack model``: what can be done with a network."""

from __future__ import annotations

import argparse

from perception_stack.errors import ConfigError

EXAMPLES = """examples:
  perception-stack model check --help
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command: none, a second word says what to do."""
    parser.add_argument("what", nargs="?", default="", help="what to do")


def run(args: argparse.Namespace) -> int:
    """Say what there is."""
    from perception_stack.tools.main import FORMATS

    known = [name for name in FORMATS if name.startswith("model ")]
    asked = f"'{args.what}' is none of " if args.what else "say what to do: "
    raise ConfigError(asked + ", ".join(f"perception-stack {name}" for name in known))
