"""``perception-stack live`` where not all goes well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.ros


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_node_that_crashes_before_it_is_ready_is_told_at_once(
    road_bag: Path, tmp_path: Path
) -> None:
    pytest.importorskip("rclpy")
    command = [sys.executable, "-m", "perception_stack.tools.main", "live", "--no-detector"]
    command += ["--one-process", "--bag", str(road_bag), "--out", str(tmp_path)]
    live = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    end = time.monotonic() + 60
    nodes: list[int] = []
    while not nodes and live.poll() is None and time.monotonic() < end:
        nodes = [node for launch in children(live.pid) for node in children(launch)]
        time.sleep(0.005)
    for node in nodes:
        os.kill(node, signal.SIGSEGV)
    said, _ = live.communicate(timeout=60)
    assert live.returncode == 2
    assert "a node ended: " in said
    assert "process has died" in said
