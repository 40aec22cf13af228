"""The same tests run over the underlay and over the published packages, whichever is importable.

Where the underlay is deliberately better than what is published, the test says so by a marker
and is skipped over the published package.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROS2 = shutil.which("ros2")
PROBE = """
import json, os, pathlib, signal, sys, time, yaml
label = sys.argv[1]
if label == "stubborn":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if label == "polite":
    # not print: the interrupt may come while the print below is in the midst of its flush
    signal.signal(signal.SIGINT, lambda *_: (os.write(1, b"goodbye\\n"), os._exit(0)))
files = [sys.argv[i + 1] for i, word in enumerate(sys.argv) if word == "--params-file"]
said = {
    "argv": sys.argv[2:],
    "params": [yaml.safe_load(pathlib.Path(name).read_text()) for name in files],
    "env": {name: value for name, value in os.environ.items() if name.startswith("PROBE_")},
    "cwd": os.getcwd(),
}
with open(os.environ["PROBE_OUT"] + "/" + label, "a") as out:
    out.write(json.dumps(said) + "\\n")
print("out of", label, flush=True)
print("err of", label, file=sys.stderr, flush=True)
while label in ("polite", "stubborn"):
    time.sleep(0.05)
sys.exit(3 if label == "dying" else 0)
"""


def _is_ours(package: str) -> bool:
    found = importlib.util.find_spec(package)
    return (
        found is not None
        and found.origin is not None
        and "underlay" in Path(found.origin).resolve().parts
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "better_than_published(package, fault): skipped over the published package"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what only holds for the underlay where the package is the published one."""
    for item in items:
        for marker in item.iter_markers("better_than_published"):
            package, fault = marker.args
            if not _is_ours(package):
                item.add_marker(pytest.mark.skip(reason=f"published {package} {fault}"))


class RosNode:
    """A node in a context and domain of its own, and how to wait for what it hears."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=1 + os.getpid() % 100)
        self.node = rclpy.create_node("underlay_test", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def spin_until(self, is_met: Any, *, timeout_s: float = 20.0) -> None:
        """Work until a condition holds; the test fails if it never does."""
        deadline_s = time.monotonic() + timeout_s
        while not is_met():
            assert time.monotonic() < deadline_s, "waited in vain"
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        """Leave the domain."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()


@pytest.fixture
def ros() -> Iterator[RosNode]:
    """A node of this test alone."""
    node = RosNode()
    yield node
    node.close()


class Workspace:
    """An ament prefix with one package, and launches of its files."""

    def __init__(self, folder: Path) -> None:
        self.share = folder / "share" / "launch_probe"
        self.share.mkdir(parents=True)
        index = folder / "share" / "ament_index" / "resource_index" / "packages"
        index.mkdir(parents=True)
        (index / "launch_probe").touch()
        probe = folder / "lib" / "launch_probe" / "probe"
        probe.parent.mkdir(parents=True)
        probe.write_text(f"#!{sys.executable}\n{PROBE}")
        probe.chmod(0o755)
        self.out = folder / "out"
        self.out.mkdir()
        self.environment = {
            **os.environ,
            "AMENT_PREFIX_PATH": f"{folder}{os.pathsep}{os.environ.get('AMENT_PREFIX_PATH', '')}",
            "PROBE_OUT": str(self.out),
            "ROS_LOG_DIR": str(folder / "log"),
        }

    def write(self, name: str, text: str) -> Path:
        path = self.share / name
        path.write_text(text)
        return path

    def ros2(self, *words: str) -> tuple[int, str]:
        """Exit code and all output of a command that ends by itself."""
        with self.started(*words) as running:
            text = running.text_until_end()
            return running.process.wait(), text

    def launch(self, body: str, *arguments: str) -> tuple[int, str]:
        path = self.write("some.launch.xml", f"<launch>{body}</launch>")
        return self.ros2("launch", str(path), *arguments)

    def started(self, *words: str) -> Running:
        return Running([str(ROS2), *words], self.environment)

    def said(self, label: str) -> list[dict[str, Any]]:
        """What each run of a probe has seen."""
        path = self.out / label
        return (
            [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        )


class Running:
    """A command while it runs; killed if it takes far too long."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._watchdog = threading.Timer(60.0, self.process.kill)
        self._watchdog.start()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self.process.kill()
        self.process.communicate()

    def text_until(self, marker: str) -> str:
        text = ""
        for line in self.process.stdout:
            text += line
            if marker in line:
                return text
        raise AssertionError(f"'{marker}' never came:\n{text}")

    def text_until_end(self) -> str:
        return self.process.stdout.read()


@pytest.fixture(scope="module")
def new_workspace(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Workspace]:
    """Makes prefixes for ``ros2``; the test is skipped where there is no such command."""
    if ROS2 is None:
        pytest.skip("no ros2 on the path")
    return lambda: Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def workspace(new_workspace: Callable[[], Workspace]) -> Workspace:
    """A prefix of this test alone."""
    return new_workspace()
