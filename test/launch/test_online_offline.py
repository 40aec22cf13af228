"""The claim of the README: nodes over DDS and the offline chain give the same list.

Offline, a partner is given up when it is late by its stamp, and for nothing else. Online a loaded
computer can be late as well: a set may time out before its partner has been computed, and a
best-effort queue of five may overflow. Both are right on a robot and would make this comparison
one of computing speed. So the parameter file here waits as long as it may and loses nothing on
the way; all else is as shipped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from perception_stack.config import load_params_file
from perception_stack.datatypes import TrackedObjects
from perception_stack.io.bags import BagReader
from perception_stack.io.results import read_objects
from perception_stack.pipeline.config import ChainConfig
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.simulation.table_objects import write_meshes
from perception_stack.tools.agreement import compare
from perception_stack.tools.run import OBJECTS, run_offline

pytestmark = pytest.mark.ros

CONFIG = Path(__file__).resolve().parents[2] / "config"
TOPICS = (
    "/points",
    "/depth",
    "/camera_info",
    "/detections",
    "/clusters",
    "/obstacle_points",
    "/depth_clusters",
    "/depth_obstacle_points",
    "/detections_3d",
    "/objects",
)
PATIENT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """How the nodes are launched."""

    scene: str
    mode: str
    one_process: bool
    poses: bool = False


CASES = [
    pytest.param(Case(scene="road", mode="navigation", one_process=False), id="road-nodes"),
    pytest.param(Case(scene="road", mode="navigation", one_process=True), id="road-one-process"),
    pytest.param(
        Case(scene="table", mode="grasping", one_process=False, poses=True), id="table-nodes"
    ),
    pytest.param(Case(scene="table", mode="grasping", one_process=True), id="table-one-process"),
]


def patient(mode: str, path: Path) -> Path:
    """The shipped parameters of a mode, waiting longer and keeping every message."""
    params = load_params_file(CONFIG / f"{mode}.param.yaml")
    params.setdefault("fusion", {})["timeout_s"] = PATIENT_S
    for step in ("lidar_detector", "fusion", "tracker"):
        params.setdefault(step, {})["transform_timeout_s"] = PATIENT_S
    keep = {"reliability": "reliable", "depth": 100}
    # copies, as rcl reads no YAML aliases
    params["qos_overrides"] = {
        topic: {"publisher": dict(keep), "subscription": dict(keep)} for topic in TOPICS
    }
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": params}}))
    return path


@pytest.mark.parametrize("case", CASES)
def test_online_and_offline_agree(
    request: pytest.FixtureRequest, tmp_path: Path, case: Case
) -> None:
    pytest.importorskip("rclpy")
    pytest.importorskip("perception_stack.msg")
    bag: Path = request.getfixturevalue(f"{case.scene}_bag")
    params_file = patient(case.mode, tmp_path / "patient.param.yaml")
    online, offline = tmp_path / "online", tmp_path / "offline"

    # in a process of its own: it chooses a ROS domain and a DDS profile, once per process
    command = [sys.executable, "-m", "perception_stack.tools.main", "live"]
    command += ["--bag", str(bag), "--out", str(online), "--mode", case.mode, "--no-detector"]
    command += ["--params-file", str(params_file)]
    config = ChainConfig.load(params_file)
    if case.poses:
        write_meshes(tmp_path / "meshes")
        for path in (tmp_path / "meshes").iterdir():
            if path.stem != "can":  # one object's poses are enough, and seven take long
                path.unlink()
        command += ["--mesh-dir", str(tmp_path / "meshes")]
        config = replace(config, pose_estimator=PoseEstimatorConfig(mesh_dir=command[-1]))
    live = subprocess.run(
        command + ["--one-process"] * case.one_process,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    said = live.stdout + _log_of_the_nodes(online)
    assert live.returncode == 0, said  # 1: a frame was lost

    reader = BagReader(bag)
    run_offline(reader, config, topics={}, out=offline)
    answers, expected = (read_objects(folder / OBJECTS) for folder in (online, offline))
    leading = "/depth" if case.mode == "grasping" else "/points"
    assert len(answers) == reader.counts[leading]
    assert [one.stamp_ns for one in answers] == [one.stamp_ns for one in expected]
    agreement = compare(answers, expected)
    assert agreement.complete, f"{agreement}\n{said}"
    assert agreement.num_objects > 50

    sensors = {sensor for one in answers for names in one.boxes.sensors for sensor in names}
    assert sensors == ({"camera", "depth"} if case.mode == "grasping" else {"camera", "lidar"})
    # what was dropped on the way, and why, is the same too
    assert _drops(online) == _drops(offline), said


def _log_of_the_nodes(online: Path) -> str:
    log = online / "nodes.log"
    return f"\n{log.read_text()}" if log.exists() else ""


def _drops(folder: Path) -> dict[str, dict[str, int]]:
    """Counts by reason of the steps that lead to the list; poses may still be under way."""
    journal = json.loads((folder / "journal.json").read_text())
    return {
        step: {reason: case["count"] for reason, case in journal[step].items()}
        for step in ("lidar_detector", "depth_detector", "fusion", "tracker")
        if journal.get(step)
    }


@pytest.fixture(scope="module")
def expected(table_bag: Path, tmp_path_factory: pytest.TempPathFactory) -> list[TrackedObjects]:
    """The table offline."""
    out = tmp_path_factory.mktemp("expected")
    config = ChainConfig.load(CONFIG / "grasping.param.yaml")
    run_offline(BagReader(table_bag), config, topics={}, out=out)
    return read_objects(out / OBJECTS)


def shifted(objects: TrackedObjects) -> TrackedObjects:
    center_m = objects.boxes.center_m.copy()
    center_m[0, 2] += 2e-6
    return replace(objects, boxes=replace(objects.boxes, center_m=center_m))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda run: run[:-1], id="a-frame-less"),
        pytest.param(lambda run: [*run[:-1], shifted(run[-1])], id="two-micrometres"),
        pytest.param(
            lambda run: [*run[:-1], replace(run[-1], ids=(uuid4(), *run[-1].ids[1:]))],
            id="another-identity",
        ),
        pytest.param(lambda _run: [], id="nothing"),
    ],
)
def test_the_comparison_sees_a_difference(
    expected: list[TrackedObjects],
    change: Callable[[list[TrackedObjects]], list[TrackedObjects]],
) -> None:
    assert compare(expected, expected).complete
    assert not compare(change(expected), expected).complete
