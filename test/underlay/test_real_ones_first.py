"""Where a ROS is installed its packages are used: the underlay is not built, nor on the path."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cv_bridge", "message_filters", "sensor_msgs_py", "tf2_msgs", "tf2_ros", "vision_msgs")


def prefixes_of(package: str) -> list[Path]:
    """The ament prefixes that hold a package, the first found first."""
    marker = Path("share", "ament_index", "resource_index", "packages", package)
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return [Path(each) for each in prefixes if each and (Path(each) / marker).exists()]


def is_within(path: Path, folder: Path) -> bool:
    return folder.resolve() in path.resolve().parents


@pytest.mark.ros
@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_of_an_installed_ros_is_the_one_imported(package: str) -> None:
    pytest.importorskip(package)
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    installed = [each for each in prefixes_of(package) if not is_within(each, ROOT)]
    assert is_within(Path(found.origin), ROOT) == (not installed)


@pytest.mark.skipif(shutil.which("colcon") is None, reason="no colcon")
@pytest.mark.parametrize("is_hidden", [True, False])
def test_colcon_does_not_see_the_underlay(tmp_path: Path, is_hidden: bool) -> None:
    """In a workspace, even if perception_stack's own package.xml did not hide what is below it."""
    source = tmp_path / "src" / "underlay"
    package = source / "tf2_ros" / "package.xml"
    package.parent.mkdir(parents=True)
    shutil.copy(ROOT / "underlay" / "tf2_ros" / "package.xml", package)
    if is_hidden:
        shutil.copy(ROOT / "underlay" / "COLCON_IGNORE", source)
    built = subprocess.run(
        ["colcon", "build"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ("tf2_ros" in built.stdout + built.stderr) == (not is_hidden), built
