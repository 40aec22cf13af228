"""``perception-stack run``: the chain over a recording, offline, byte for byte reproducible."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from perception_stack.errors import ConfigError
from perception_stack.io.bags import BagReader
from perception_stack.io.results import write_boxes, write_objects
from perception_stack.journal import Journal
from perception_stack.pipeline.config import ChainConfig
from perception_stack.pipeline.replay import Replay
from perception_stack.tools.console import progress, say, table

EXAMPLES = """examples:
  perception-stack run --bag road.mcap --out out/road
  perception-stack run --bag drive/ --config config/navigation.param.yaml --out out/drive
  perception-stack run --bag drive/ --topic points:=/velodyne_points --out out/drive

The folder gets objects.jsonl (the tracked list), detections.jsonl, poses.jsonl and journal.json
(what was dropped and why), the same bytes on every run, and latency.json, which is not.
"""
OBJECTS, DETECTIONS, POSES = "objects.jsonl", "detections.jsonl", "poses.jsonl"
JOURNAL, LATENCY = "journal.json", "latency.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--bag", type=Path, required=True, help="rosbag2 folder, .mcap or .db3")
    parser.add_argument("--config", type=Path, help="parameter file (default: all defaults)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="NAME:=TOPIC",
        help="where an input lies in the recording, e.g. points:=/velodyne_points",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STEP.NAME:=VALUE",
        help="one parameter, stronger than the file, e.g. detector.model:=yolox_nano.yaml",
    )


def run(args: argparse.Namespace) -> int:
    """Run the chain and write the results."""
    config = chain_config(args.config, args.set)
    reader = BagReader(args.bag)
    num = run_offline(reader, config, topics=dict(map(_pair, args.topic)), out=args.out)
    say(f"{num} frames written to {args.out}")
    return 0


def chain_config(path: Path | None, assignments: list[str]) -> ChainConfig:
    """Parameters: default < file < single assignments, whose values are read as YAML.

    Raises:
        ConfigError: something that no step declares, or a value that cannot be used.
    """
    import yaml

    from perception_stack.config import load_params_file

    params: dict[str, Any] = load_params_file(path) if path is not None else {}
    for assignment in assignments:
        name, text = _pair(assignment)
        section, _, parameter = name.partition(".")
        if not parameter:
            raise ConfigError(f"'{name}' is not of the form step.parameter")
        params.setdefault(section, {})[parameter] = yaml.safe_load(text)
    return ChainConfig.from_params(params, where=str(path or "defaults"))


def run_offline(
    reader: BagReader, config: ChainConfig, *, topics: dict[str, str], out: Path
) -> int:
    """Run the chain over a recording and write its results; returns the number of frames."""
    out.mkdir(parents=True, exist_ok=True)
    replay = Replay(reader=reader, config=config, topics=topics)
    with progress(sum(reader.counts.values()), "run", "msg") as bar:
        results = list(replay.frames(on_message=lambda: bar.update(1)))
    write_objects(out / OBJECTS, (one.objects for one in results))
    write_boxes(out / DETECTIONS, (one.detections for one in results))
    write_boxes(out / POSES, replay.poses)
    write_journal(out / JOURNAL, replay.journals)
    latencies = [asdict(one) for one in replay.latencies]
    (out / LATENCY).write_text(json.dumps(latencies), encoding="utf-8")
    say(drop_table(replay.journals))
    return len(results)


def write_journal(path: Path, journals: dict[str, Journal]) -> None:
    """Counts and newest case of each reason, by step."""
    content = {
        step: {
            reason.value: {"count": num, **asdict(journal.last(reason))}
            for reason, num in journal.counts.items()
        }
        for step, journal in journals.items()
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def drop_table(journals: dict[str, Journal]) -> str:
    """What was dropped and why, for people."""
    rows = [
        (step, reason.value, num, reason.text, journal.last(reason).detail)
        for step, journal in journals.items()
        for reason, num in journal.counts.items()
    ]
    if not rows:
        return "nothing was dropped"
    return table(("step", "reason", "count", "meaning", "last case"), rows)


def _pair(text: str) -> tuple[str, str]:
    name, assigned, value = text.partition(":=")
    if not assigned:
        raise ConfigError(f"'{text}' is not of the form NAME:=VALUE")
    return name, value
