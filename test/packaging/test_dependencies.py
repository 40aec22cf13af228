"""What the package imports is named in package.xml and, for the core, in setup.py."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "perception_stack"

# import name: (rosdep key, name on PyPI); without a key: optional, installed by hand
LIBRARIES = {
    "cv2": ("python3-opencv", "opencv-python-headless"),
    "jinja2": ("python3-jinja2", "jinja2"),
    "matplotlib": ("python3-matplotlib", "matplotlib"),
    "numba": ("python3-numba", "numba"),
    "numpy": ("python3-numpy", "numpy"),
    "onnx": (None, "onnx"),
    "onnxruntime": ("python3-onnxruntime-pip", "onnxruntime"),
    "openvino": (None, "openvino"),
    "rosbags": ("python3-rosbags-pip", "rosbags"),
    "scipy": ("python3-scipy", "scipy"),
    "torch": (None, "torch"),
    "tqdm": ("python3-tqdm", "tqdm"),
    "trimesh": (None, "trimesh"),
    "trackeval": (None, "trackeval"),
    "yaml": ("python3-yaml", "pyyaml"),
}
ROSDEP_KEYS = {name: key for name, (key, _) in LIBRARIES.items()}
# MoveIt is installed by those who plan with it, MLflow by those who have its server, and TensorRT,
# which is not free, with the GPU's driver
ROSDEP_KEYS |= {"tf2_ros": "tf2_ros_py", "moveit_msgs": None, "tensorrt": None, "mlflow": None}


def imported(folder: Path) -> set[str]:
    """Top-level names that the files of a folder import, standard library left out."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"perception_stack"}


def declared() -> set[str]:
    """The keys that a robot installs."""
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    return {
        element.text or "" for tag in ("depend", "exec_depend") for element in package.iter(tag)
    }


def test_package_xml_names_what_is_imported() -> None:
    keys = {ROSDEP_KEYS.get(name, name) for name in imported(SOURCE)}
    assert keys - {None} <= declared()


def test_setup_py_names_what_the_core_imports() -> None:
    setup = (ROOT / "setup.py").read_text()
    wanted = {LIBRARIES[name][1] for name in imported(SOURCE) & LIBRARIES.keys()}
    assert {name for name in wanted if not re.search(rf'"{name}[>"]', setup)} == set()


@pytest.mark.parametrize("name", ["ros.in", "core.in", "no-deps.in"])
def test_lock_holds_what_is_asked_for(name: str) -> None:
    def packages(file: str) -> set[str]:
        lines = (ROOT / "requirements" / file).read_text().splitlines()
        wanted = [line for line in lines if line[:1].isalpha() and '!= "x86_64"' not in line]
        return {re.split(r"[\[<>=;]", line)[0].strip().lower() for line in wanted}

    assert packages(name) <= packages("python.lock")
