"""``perception-stack doctor``: what is usable here, and what to type for what is missing."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from perception_stack import networks
from perception_stack.tools.console import say, table

EXAMPLES = """examples:
  perception-stack doctor
"""
_OPENCV = ("opencv-python-headless", "opencv-python", "opencv-contrib-python")
_LEAST_SHM_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: str
    note: str
    needed: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command: none."""


def run(args: argparse.Namespace) -> int:  # noqa: ARG001
    """List the findings; the exit code is 1 if something needed is missing."""
    findings = examine()
    say(table(("what", "state", "note"), [(one.name, one.state, one.note) for one in findings]))
    return int(any(one.needed and one.state == "missing" for one in findings))


def examine() -> list[Finding]:
    """Look at everything the package can use."""
    return [
        Finding(name="Python", state="ok", note=platform.python_version(), needed=True),
        _library("numpy", needed=True, use="everything"),
        _library("scipy", needed=True, use="assignment"),
        _library("numba", needed=True, use="LiDAR, overlap"),
        _library("cv2", needed=True, use="images", packages=_OPENCV),
        _library("rosbags", needed=True, use="recordings"),
        *(_backend(name) for name in networks.NAMES),
        _library("trimesh", needed=False, use="pose estimator"),
        _gpu(),
        *_ros(),
        _shared_memory(),
    ]


def _library(name: str, *, needed: bool, use: str, packages: tuple[str, ...] = ()) -> Finding:
    """A Python library, by the name it is imported by and those it is installed by."""
    names = packages or (name,)
    if find_spec(name) is None:
        note = f"for {use}; type: pip install {names[0]}"
        return Finding(name=name, state="missing", note=note, needed=needed)
    for package in names:
        with suppress(PackageNotFoundError):
            return Finding(name=name, state="ok", note=version(package), needed=needed)
    return Finding(name=name, state="ok", note="version unknown", needed=needed)


def _backend(name: str) -> Finding:
    """A back end of the image detector."""
    module = networks.backend(name)
    if networks.is_installed(name):
        packages = (module.LIBRARY, f"{module.LIBRARY}-gpu")
        return _library(module.LIBRARY, needed=False, use="", packages=packages)
    note = f"detector.backend {name}; type: {module.INSTALL}"
    return Finding(name=module.LIBRARY, state="missing", note=note)


def _gpu() -> Finding:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding(
            name="GPU", state="none", note="no NVIDIA driver; everything runs on the CPU"
        )
    query = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        return Finding(name="GPU", state="none", note=done.stdout.strip() or done.stderr.strip())
    return Finding(name="GPU", state="ok", note=done.stdout.strip().replace("\n", "; "))


def _ros() -> list[Finding]:
    if find_spec("rclpy") is None:
        note = "source your ROS installation, or type 'make build' in the repository"
        return [Finding(name="ROS 2", state="missing", note=f"for the nodes; {note}")]
    distro = os.environ.get("ROS_DISTRO", "from Python wheels")
    findings = [Finding(name="ROS 2", state="ok", note=distro)]
    ours = find_spec("perception_stack.msg") is not None
    note = "built" if ours else "type: colcon build (robot) or make build (here), then source it"
    findings.append(Finding(name="our messages", state="ok" if ours else "missing", note=note))
    moveit = "missing" if find_spec("moveit_msgs") is None else "ok"
    note = "objects in MoveIt's scene; type: apt install ros-$ROS_DISTRO-moveit-msgs"
    findings.append(Finding(name="moveit_msgs", state=moveit, note=note))
    rmw = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp (default)")
    findings.append(Finding(name="RMW", state="ok", note=rmw))
    if "fastrtps" in rmw:
        findings.append(_profile())
    return findings


def _profile() -> Finding:
    name = "Fast DDS profile"
    given = os.environ.get("FASTRTPS_DEFAULT_PROFILES_FILE") or os.environ.get(
        "FASTDDS_DEFAULT_PROFILES_FILE"
    )
    if not given:
        note = (
            "images and clouds get lost; the launch files set it, else type: "
            "export FASTRTPS_DEFAULT_PROFILES_FILE=.../share/perception_stack/config/fastdds.xml"
        )
        return Finding(name=name, state="not set", note=note)
    state = "ok" if Path(given).is_file() else "missing"
    return Finding(name=name, state=state, note=given)


def _shared_memory() -> Finding:
    path = Path("/dev/shm")
    if not path.is_dir():
        return Finding(name="shared memory", state="none", note="large messages go through UDP")
    free = shutil.disk_usage(path).free
    note = f"{free // 2**20} MiB free in {path}"
    if free < _LEAST_SHM_BYTES:
        return Finding(
            name="shared memory", state="small", note=f"{note}; 64 MiB per process used"
        )
    return Finding(name="shared memory", state="ok", note=note)
