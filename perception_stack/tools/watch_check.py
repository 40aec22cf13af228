"""``perception-stack watch check``: a recording against what is usual."""

from __future__ import annotations

import argparse
from pathlib import Path

from perception_stack.pipeline.watch_recordings import as_numbers
from perception_stack.tools.console import say
from perception_stack.tools.watch_sources import add_source_arguments, read_sources
from perception_stack.watch.reference import read_reference
from perception_stack.watch.report import write_watch_report
from perception_stack.watch.trace import follow

EXAMPLES = """examples:
  perception-stack watch check --bag wednesday --model yolox_nano.yaml --reference usual.yaml
  perception-stack watch check --images street_3 --reference usual.yaml --report drift.html

The exit code is 1 if anything was off. Needs no robot: the same watch runs in the nodes.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    add_source_arguments(parser)
    parser.add_argument(
        "--reference", type=Path, required=True, help="of perception-stack watch learn"
    )
    parser.add_argument("--report", type=Path, help="page with each feature over time")


def run(args: argparse.Namespace) -> int:
    """Compare each recording, say what is off and when it ended."""
    reference = read_reference(args.reference)
    _, recordings = as_numbers(read_sources(args), reference.classes)
    traces = [follow(one, reference) for one in recordings]
    for trace in traces:
        say(f"{trace.name}: {len(trace.events)} alarms in {trace.num_frames} frames")
        for one in trace.events:
            say(f"  frames {one.first} to {one.last}: {one.alarm.text}")
    if args.report:
        write_watch_report(args.report, reference, traces)
        say(f"written to {args.report}")
    return int(any(one.events for one in traces))
