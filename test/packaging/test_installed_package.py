"""What the build installs is whole: both halves of the Python package, launchers, shared files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

index = pytest.importorskip("ament_index_python.packages")
pytestmark = pytest.mark.ros

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "perception_stack"


@pytest.fixture(scope="module")
def prefix() -> Path:
    """Where the package is installed."""
    try:
        return Path(index.get_package_prefix("perception_stack"))
    except index.PackageNotFoundError:
        pytest.skip("perception_stack is not built; run make build")


@pytest.fixture(scope="module")
def site(prefix: Path) -> Path:
    """The installed folder that Python packages lie in."""
    (messages,) = prefix.glob("**/perception_stack/msg/__init__.py")
    return messages.parents[2]


def test_every_module_is_installed(site: Path) -> None:
    modules = {path.relative_to(ROOT) for path in SOURCE.rglob("*.py")}
    installed = {path.relative_to(site) for path in (site / "perception_stack").rglob("*.py")}
    assert modules <= installed


def test_installed_package_needs_no_source_tree(site: Path, tmp_path: Path) -> None:
    code = (
        "import perception_stack.errors as ours, perception_stack.msg as theirs, pathlib;"
        "print(pathlib.Path(ours.__file__).parent == pathlib.Path(theirs.__file__).parent.parent)"
    )
    elsewhere = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(site), *(path for path in elsewhere if path and Path(path) != ROOT)]
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "True"


def test_each_node_has_a_launcher(prefix: Path) -> None:
    nodes = {path.name.removesuffix("_node.py") for path in SOURCE.glob("ros/nodes/*_node.py")}
    launchers = list((prefix / "lib" / "perception_stack").iterdir())
    assert {path.name for path in launchers} == nodes
    assert all(os.access(path, os.X_OK) for path in launchers)


@pytest.mark.parametrize("folder", ["config", "launch", "rviz"])
def test_shared_files_are_installed(prefix: Path, folder: str) -> None:
    names = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
    share = prefix / "share" / "perception_stack"
    assert names
    assert names <= {path.relative_to(share) for path in share.rglob("*")}
