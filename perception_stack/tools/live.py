"""``perception-stack live``: launches the nodes, plays a recording over DDS, keeps the answers."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perception_stack.errors import ConfigError, DataFileError
from perception_stack.evaluation.latency import step_latencies
from perception_stack.io.bags import BagReader
from perception_stack.io.results import write_objects
from perception_stack.tools.console import progress, say, table
from perception_stack.tools.ros_environment import RosMissingError, require_ros
from perception_stack.tools.run import JOURNAL, LATENCY, OBJECTS

if TYPE_CHECKING:
    from perception_stack.ros.session import OnlineRun

EXAMPLES = """examples:
  perception-stack live --bag road.mcap --no-detector --out out/live
  perception-stack live --bag drive --model config/models/yolox_nano.yaml \\
      --model-dir ~/models --out out/live
  perception-stack live --bag table/ --mode grasping --one-process --out out/live

The nodes run in their own ROS domain, so other robots and sessions are not disturbed.
"""
DIAGNOSTICS = "diagnostics.json"
_STOP_S = 15.0
_LEADING = {"navigation": "/points", "grasping": "/depth"}
_OF_DETECTOR = ("/detections", "/masks")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--bag", type=Path, required=True, help="rosbag2 folder, .mcap or .db3")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--mode", choices=sorted(_LEADING), default="navigation")
    parser.add_argument("--one-process", action="store_true", help="the whole chain in one node")
    parser.add_argument("--params-file", type=Path, help="parameter file (default: of the mode)")
    parser.add_argument("--model", type=Path, help="manifest of the image detector")
    parser.add_argument("--model-dir", type=Path, help="folder of the model file")
    parser.add_argument("--mesh-dir", type=Path, help="meshes of known objects")
    parser.add_argument(
        "--no-detector",
        action="store_true",
        help="start no image detector; detections of the recording are used, if any",
    )


def run(args: argparse.Namespace) -> int:
    """Launch, play, record, report; the exit code is 1 if a frame was lost."""
    arguments = {
        "mode": args.mode,
        "one_process": str(args.one_process).lower(),
        "detector": str(not args.no_detector).lower(),
    }
    for name in ("params_file", "model", "model_dir", "mesh_dir"):
        if (value := getattr(args, name)) is not None:
            arguments[name] = str(value.resolve())
    answers = run_online(BagReader(args.bag), arguments, out=args.out)
    say(summary(answers))
    return int(len(answers.latencies) < answers.num_sent)


def run_online(reader: BagReader, launch_arguments: dict[str, str], *, out: Path) -> OnlineRun:
    """Play a recording through freshly launched nodes and write what they answered.

    Args:
        reader: The recording.
        launch_arguments: Arguments of ``perception.launch.xml``.
        out: Folder for ``objects.jsonl``, ``diagnostics.json``, ``journal.json``,
            ``latency.json`` and the log of the nodes.

    Raises:
        RosMissingError: there is no ROS.
        DataFileError: the recording has no topic that could lead.
        PerceptionError: the nodes did not come up.
    """
    require_ros()
    leading = _LEADING[launch_arguments.get("mode", "navigation")]
    if not reader.counts.get(leading):
        raise DataFileError(reader.path, f"no messages on {leading}")
    # chosen before the first node of this process exists
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    _use_shipped_profile()
    from perception_stack.ros.session import play_and_record

    out.mkdir(parents=True, exist_ok=True)
    log = out / "nodes.log"
    with (
        _launched(launch_arguments, log=log),
        progress(reader.counts[leading], "play", "frame") as bar,
    ):
        answers = play_and_record(
            reader,
            leading=leading,
            unplayed=_OF_DETECTOR if _detects(launch_arguments) else (),
            missing=lambda statuses: _missing(statuses, reader, launch_arguments, log),
            on_frame=lambda: bar.update(1),
            on_long_wait=lambda lacks: say(
                f"waiting ({lacks}); a first start compiles for minutes on a small computer"
            ),
        )
    write_objects(out / OBJECTS, answers.objects)
    (out / DIAGNOSTICS).write_text(json.dumps(answers.diagnostics, indent=1), encoding="utf-8")
    latencies = [asdict(one) for one in answers.latencies]
    (out / LATENCY).write_text(json.dumps(latencies), encoding="utf-8")
    (out / JOURNAL).write_text(json.dumps(_journal(answers), indent=1) + "\n", encoding="utf-8")
    return answers


def summary(answers: OnlineRun) -> str:
    """Frames, latency and drops of an online run, for people."""
    lines = [f"{len(answers.latencies)} of {answers.num_sent} frames came back"]
    rows = []
    for end_to_end in step_latencies(answers.latencies):
        figures = (end_to_end.percentile_ms(percent) for percent in (50, 95, 99))
        rows.append((end_to_end.step, len(answers.latencies), *figures))
    for name, values in sorted(answers.diagnostics.items()):
        if "processing_p50_ms" in values:
            figures = (float(values[f"processing_p{percent}_ms"]) for percent in (50, 95, 99))
            rows.append((name, int(values["frames"]), *figures))
    lines.append(table(("latency", "frames", "p50 ms", "p95 ms", "p99 ms"), rows))
    drops = [
        (step, reason, case["count"], case["detail"])
        for step, cases in _journal(answers).items()
        for reason, case in cases.items()
    ]
    if drops:
        lines.append(table(("step", "reason", "count", "last case"), drops))
    return "\n\n".join(lines)


def _journal(answers: OnlineRun) -> dict[str, dict[str, Any]]:
    """The drops of all nodes, in the layout of an offline run's journal."""
    prefix = "dropped."
    return {
        status.partition(": ")[2]: {
            (reason := key.removeprefix(prefix)): {
                "count": int(value),
                "stamp_ns": int(values[f"stamp_ns.{reason}"]),
                "detail": values[f"last.{reason}"],
            }
            for key, value in values.items()
            if key.startswith(prefix)
        }
        for status, values in sorted(answers.diagnostics.items())
    }


@contextmanager
def _launched(arguments: dict[str, str], *, log: Path) -> Iterator[None]:
    ros2 = shutil.which("ros2")
    if ros2 is None:
        raise RosMissingError("the ros2 command")
    command = [ros2, "launch", "perception_stack", "perception.launch.xml"]
    command += [f"{name}:={value}" for name, value in arguments.items()]
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield
            if process.poll() is not None:
                raise ConfigError(f"the nodes ended with code {process.returncode}; see {log}")
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        # launch passes it on to the nodes, which must not get it twice
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _missing(
    statuses: dict[str, dict[str, str]], reader: BagReader, arguments: dict[str, str], log: Path
) -> str:
    """What lacks until every node is up and has found whom it hears and whom it talks to.

    Raises:
        ConfigError: a node has ended.
    """
    lines = log.read_text(encoding="utf-8").splitlines()
    complaints = [line for line in lines if "error: " in line.lower()]
    ended = complaints or [line for line in lines if "process has died" in line]
    if ended:
        raise ConfigError(f"a node ended: {ended[-1]} (all of it in {log})")
    nodes = _nodes(arguments)
    if silent := nodes - {name.split(":")[0] for name in statuses}:
        return f"no diagnostics of {', '.join(sorted(silent))}; see {log}"
    inner = set() if arguments.get("one_process") == "true" else {"/detections_3d"}
    if "lidar_detector" in nodes:
        inner |= {"/clusters", "/obstacle_points"}
    if "depth_detector" in nodes and "/depth" in reader.topics:
        inner |= {"/depth_clusters", "/depth_obstacle_points"}
    if "detector" in nodes and _detects(arguments):
        inner.add("/detections")
    talks = {f"subscribers.{topic}" for topic in inner | {"/objects"}}
    listens = {f"publishers.{topic}" for topic in inner | set(reader.topics)}
    lonely = [
        f"{status} has no {key}"
        for status, values in statuses.items()
        for key, value in values.items()
        if value == "0" and (key in talks or key in listens)
    ]
    return "; ".join(lonely)


def _nodes(arguments: dict[str, str]) -> set[str]:
    if arguments.get("one_process") == "true":
        return {"perception"}
    grasping = arguments.get("mode") == "grasping"
    nodes = {"depth_detector", "fusion", "tracker"}
    nodes.add("pose_estimator" if grasping else "lidar_detector")
    return nodes | ({"detector"} if arguments.get("detector") != "false" else set())


def _detects(arguments: dict[str, str]) -> bool:
    """Whether the nodes find objects in images themselves."""
    return bool(arguments.get("model")) and arguments.get("detector") != "false"


def _use_shipped_profile() -> None:
    """The same Fast DDS profile for this process as the launch file sets for the nodes."""
    from ament_index_python.packages import get_package_share_directory

    profile = Path(get_package_share_directory("perception_stack")) / "config" / "fastdds.xml"
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        os.environ.setdefault(name, str(profile))
