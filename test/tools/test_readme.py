"""The commands of the README, run as they stand there, one after the other."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from perception_stack.tools.main import COMMANDS

ROOT = Path(__file__).resolve().parent.parent.parent
_TIMEOUT_S = 240
# live says by its exit code whether every frame came back in time, which is the machine's affair
_FINE = {"live": (0, 1)}


def readme_commands() -> list[list[str]]:
    """Every perception-stack command of the README's section on the command line."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Command line")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return [shlex.split(line, comments=True)[1:] for line in block[1].strip().splitlines()]


def test_every_command_is_in_the_readme() -> None:
    assert {command[0] for command in readme_commands()} | {"demo"} == set(COMMANDS)


@pytest.mark.ros
def test_readme_commands_run(tmp_path: Path, data_dir: Path) -> None:
    if find_spec("rclpy") is None:
        pytest.skip("no ROS: live and play need it")
    drive = data_dir / "kitti_drive_0005_seq_0000"
    for command in readme_commands():
        filled = [str(drive) if word == "DIR" else word for word in command]
        done = subprocess.run(
            [sys.executable, "-m", "perception_stack.tools.main", *filled],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        fine = _FINE.get(command[0], (0,))
        assert done.returncode in fine, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "out" / "report" / "report.html").is_file()
    assert (tmp_path / "out" / "live" / "objects.jsonl").is_file()
