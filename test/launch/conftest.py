"""Launches in processes of their own, recordings to play, and what the launched nodes say."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from perception_stack.journal import Journal
from perception_stack.pipeline.chain import STEPS, Chain
from perception_stack.pipeline.config import ChainConfig
from perception_stack.simulation.road import RoadConfig, road_scene
from perception_stack.simulation.scene import Scene
from perception_stack.simulation.table import TableConfig, table_scene

# Not a skip in the module: the plugin of launch_testing would then leave out the whole folder.
_NEEDED = ("launch_pytest", "rclpy", "perception_stack.msg")
collect_ignore = [] if all(map(find_spec, _NEEDED)) else ["test_with_launch_pytest.py"]

_STOP_S = 30.0


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """Machine code is kept on disk: made here, once, it does not hold up the nodes under test."""
    Chain(ChainConfig(), {step: Journal() for step in STEPS}).warm_up()


class Launched:
    """``ros2 launch`` while it runs; its output is read as it comes.

    Args:
        command: The command line.
        environment: Of the command.
    """

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        # no terminal: launch passes an interrupt on to the nodes, which the session keeps apart
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        """Everything said so far."""
        return "\n".join(self._lines)

    def lines_with(self, part: str) -> list[str]:
        """Lines said so far that hold a text."""
        return [line for line in self.text.splitlines() if part in line]

    @property
    def ended(self) -> str:
        """Why nothing more can be waited for; empty while it runs."""
        if self.process.poll() is None:
            return ""
        return f"launch ended with code {self.process.returncode}:\n{self.text}"

    def interrupt(self, *, everyone: bool = False) -> int:
        """Ctrl-C; returns the exit code.

        Args:
            everyone: Also the nodes, which launch then tells a second time.
        """
        if everyone:
            os.killpg(self.process.pid, signal.SIGINT)
        else:
            self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended by itself; returns the exit code."""
        code = self.process.wait(_STOP_S)
        self._reader.join(_STOP_S)
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def launch(bench: Any, tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Starts launch files of the package in the domain of the bench.

    ``launch("replay.launch.xml", bag="...")``
    """
    ros2 = shutil.which("ros2")
    if ros2 is None:
        pytest.skip("no ros2 on the path")
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(bench.domain_id),
        "ROS_LOG_DIR": str(tmp_path / "log"),
        "PYTHONUNBUFFERED": "1",
    }
    started: list[Launched] = []

    def start(file: str, **arguments: object) -> Launched:
        words = [f"{name}:={value}" for name, value in arguments.items()]
        command = [ros2, "launch", "perception_stack", file, *words]
        started.append(Launched(command, environment))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture(scope="session")
def road() -> Scene:
    """A short, coarse drive."""
    return road_scene(
        RoadConfig(
            num_frames=15, num_azimuths=600, image_width_px=320, image_height_px=120, min_pixels=40
        )
    )


@pytest.fixture(scope="session")
def table() -> Scene:
    """A short, coarse look at a table."""
    return table_scene(
        TableConfig(num_frames=12, image_width_px=320, image_height_px=240, min_pixels=100)
    )


@pytest.fixture(scope="session")
def road_bag(road: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recording of :func:`road`."""
    return _recorded(road, tmp_path_factory.mktemp("road") / "bag")


@pytest.fixture(scope="session")
def table_bag(table: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recording of :func:`table`."""
    return _recorded(table, tmp_path_factory.mktemp("table") / "bag")


def _recorded(scene: Scene, path: Path) -> Path:
    pytest.importorskip("rosbags")
    from perception_stack.tools.simulate import record

    record(scene, path)
    return path
