"""The ROS-free core and its command line; where there is ROS, CMakeLists.txt installs instead."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def version() -> str:
    """The version of package.xml, the only place it is written."""
    found = re.search(r"<version>(.+?)</version>", (HERE / "package.xml").read_text())
    if found is None:
        raise RuntimeError("package.xml has no <version>")
    return found.group(1)


setup(
    name="perception_stack",
    version=version(),
    description="One fused, tracked list of 3-D objects from camera, depth and LiDAR",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["perception_stack", "perception_stack.*"]),
    package_data={"perception_stack": ["py.typed", "**/*.jinja", "**/*.html", "**/*.css"]},
    install_requires=[
        "jinja2>=3.0",
        "matplotlib>=3.5",
        "numba>=0.55",
        "numpy>=1.21.5",
        "opencv-python-headless>=4.5.4,<5",
        "pyyaml>=5.4",
        "rosbags>=0.10",
        "scipy>=1.8",
        "tqdm>=4.57",
    ],
    extras_require={
        "onnx": ["onnxruntime>=1.16"],  # image detector
        "openvino": ["openvino>=2024.0"],  # image detector, another back end
        "torch": ["torch>=2.5"],  # image detector, another back end
        "training": ["torch>=2.5", "onnx>=1.16", "onnxscript>=0.1"],  # perception-stack train
        "meshes": ["trimesh>=4.0"],  # 6-DoF pose
        "trackeval": ["trackeval>=1.0"],  # second opinion on the tracking scores
    },
    entry_points={"console_scripts": ["perception-stack = perception_stack.tools.main:main"]},
)
