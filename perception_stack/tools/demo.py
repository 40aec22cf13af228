"""``perception-stack demo``: everything at once, from a simulated street to a scored list."""

from __future__ import annotations

import argparse
import shutil
from importlib.util import find_spec
from pathlib import Path

from perception_stack.evaluation.config import EvaluationConfig
from perception_stack.evaluation.report import write_report
from perception_stack.io.bags import BagReader
from perception_stack.io.results import read_objects
from perception_stack.tools import simulate
from perception_stack.tools.agreement import compare
from perception_stack.tools.console import say
from perception_stack.tools.evaluate import evaluate_run, score_table
from perception_stack.tools.live import run_online, summary
from perception_stack.tools.ros_environment import require_ros
from perception_stack.tools.run import OBJECTS, chain_config, run_offline

EXAMPLES = """examples:
  perception-stack demo
  perception-stack demo --seed 3 --frames 100 --out out/demo3
  perception-stack demo --simulated-detector
  perception-stack demo --lidar-model config/models/centerpoint_sim.yaml

Objects are found in the images by our own small network, which has never seen these streets.
"""
_MODEL, _PARAMETERS = "models/camera_sim.yaml", "demo.param.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="default: out/demo")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another street")
    parser.add_argument("--frames", type=int, default=60, help="number of frames, ten a second")
    parser.add_argument("--one-process", action="store_true", help="the whole chain in one node")
    parser.add_argument(
        "--lidar-model", type=Path, metavar="MANIFEST", help="a network beside the clusters"
    )
    parser.add_argument(
        "--simulated-detector",
        action="store_true",
        help="detections that the simulator makes up instead of the network's",
    )


def run(args: argparse.Namespace) -> int:
    """Simulate, launch, play, record, compare, evaluate; 1 if a frame was lost or differs."""
    require_ros()
    bag, online, offline = (args.out / name for name in ("road", "online", "offline"))
    for folder in (bag, online, offline):
        shutil.rmtree(folder, ignore_errors=True)

    say(f"simulating a street: {args.frames} frames, seed {args.seed}")
    scene = simulate.make_scene("road", seed=args.seed, num_frames=args.frames)
    args.out.mkdir(parents=True, exist_ok=True)
    simulate.record(scene, bag)

    reader = BagReader(bag)
    config = _shipped_config()
    arguments = {
        "one_process": str(args.one_process).lower(),
        "params_file": str(config / _PARAMETERS),
    }
    model = "" if args.simulated_detector or not _can_detect() else str(config / _MODEL)
    arguments |= {"model": model} if model else {"detector": "false"}
    lidar_model = "" if args.lidar_model is None else str(args.lidar_model.resolve())
    arguments |= {"lidar_model": lidar_model} if lidar_model else {}

    # first, as it compiles for all nodes what each of them would compile at its first start
    say("running the chain offline")
    overrides = [f"detector.model:={model}"] if model else []
    overrides += [f"lidar_network.model:={lidar_model}"] if lidar_model else []
    chain = chain_config(config / _PARAMETERS, overrides)
    run_offline(reader, chain, topics={}, out=offline)

    say("launching the nodes and playing the recording over DDS in real time")
    answers = run_online(reader, arguments, out=online)
    say(summary(answers))
    agreement = compare(answers.objects, read_objects(offline / OBJECTS))
    say(str(agreement))

    results = evaluate_run(online, reader, EvaluationConfig(), title="perception_stack demo")
    report = write_report(results, args.out / "report")
    say("\n" + score_table(results))
    say(f"\nreport: {report.resolve()}")
    lost = answers.num_sent - len(answers.latencies)
    return int(lost > 0 or not agreement.complete)


def _shipped_config() -> Path:
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory("perception_stack")) / "config"


def _can_detect() -> bool:
    """Whether our own detector can be run; says so where it cannot."""
    if find_spec("onnxruntime") is None:
        say("no ONNX Runtime, so detections are simulated; pip install onnxruntime")
        return False
    return True
