"""The message types that others must understand are the public ones, by type hash (REP 2011).

The hashes are those of the published vision_msgs 4.1.1 and tf2_msgs 0.36.4, built apart. They hold
for the packages of underlay/ and for the real ones, whichever the nodes got.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

index = pytest.importorskip("ament_index_python.packages")
pytestmark = pytest.mark.ros

PUBLIC = {
    "tf2_msgs/msg/TF2Error": "db2485e7d6a0ec75bf087e058ee45df682acc3a621ca7780503d10aac141809a",
    "tf2_msgs/msg/TFMessage": "e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087",
    "vision_msgs/msg/BoundingBox2D": (
        "008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f"
    ),
    "vision_msgs/msg/BoundingBox2DArray": (
        "2464e82838009386d371b523211c21c91d74d313fcdd6788223c531d621cf691"
    ),
    "vision_msgs/msg/BoundingBox3D": (
        "bbb73a65c163d7f9bb29009c7bde9f7faa576bd2d23299c4511d19230dab4698"
    ),
    "vision_msgs/msg/BoundingBox3DArray": (
        "a81938db9576b10c2eecd7c5a5da3eac496efd00221b25ed051dfbc81fb56da6"
    ),
    "vision_msgs/msg/Classification": (
        "f74db28d0eaef3afb78f48bf2161cd709a1383a0309d3454383b25be11345143"
    ),
    "vision_msgs/msg/Detection2D": (
        "0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea"
    ),
    "vision_msgs/msg/Detection2DArray": (
        "214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968"
    ),
    "vision_msgs/msg/Detection3D": (
        "ddd703be132ab0b69d33121f1bb034132bfbb3b0ac5f9fb1516005ba1c8a265b"
    ),
    "vision_msgs/msg/Detection3DArray": (
        "793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018"
    ),
    "vision_msgs/msg/LabelInfo": (
        "3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783"
    ),
    "vision_msgs/msg/ObjectHypothesis": (
        "51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90"
    ),
    "vision_msgs/msg/ObjectHypothesisWithPose": (
        "41c12344c0396c48b81df12467c192d99b2a0eb1463c5c37194e4223251c80bc"
    ),
    "vision_msgs/msg/Point2D": "eab0e83f44ab4de92ceaf76dd7d0e7638f2bdd1d16ffbe16c7a136c48e407247",
    "vision_msgs/msg/Pose2D": "b0b5d1d7b4c20dd4fcde3ed1d4b289a919290572007d67a97043814db25d3648",
    "vision_msgs/msg/VisionClass": (
        "1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a"
    ),
    "vision_msgs/msg/VisionInfo": (
        "95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284"
    ),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_type_hash_is_the_public_one(name: str) -> None:
    package, folder, message = name.split("/")
    try:
        share = Path(index.get_package_share_directory(package))
    except index.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    description = share / folder / f"{message}.json"
    if not description.is_file():
        pytest.skip("this ROS distribution has no type descriptions")
    hashes = {
        entry["type_name"]: entry["hash_string"]
        for entry in json.loads(description.read_text())["type_hashes"]
    }
    assert hashes[name] == f"RIHS01_{PUBLIC[name]}"


@pytest.mark.parametrize(
    ("constant", "value"),
    [
        ("NO_ERROR", 0),
        ("LOOKUP_ERROR", 1),
        ("CONNECTIVITY_ERROR", 2),
        ("EXTRAPOLATION_ERROR", 3),
        ("INVALID_ARGUMENT_ERROR", 4),
        ("TIMEOUT_ERROR", 5),
        ("TRANSFORM_ERROR", 6),
    ],
)
def test_constants_are_the_public_ones(constant: str, value: int) -> None:
    messages = pytest.importorskip("tf2_msgs.msg")
    assert getattr(messages.TF2Error, constant) == value
