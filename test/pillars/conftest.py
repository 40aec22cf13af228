"""Small networks on pillars, so that plain loops can follow them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from perception_stack.pillars.manifest import load_manifest
from perception_stack.pillars.spec import Manifest

SENSOR = {"beams": [64, 64], "height_m": [1.5, 2.0]}
ERROR = {"xy_m": 0.1, "z_m": 0.1, "yaw_rad": 0.1}


def content(family: str, /, **changes: Any) -> dict[str, Any]:
    """A manifest of 8 x 12 pillars and two classes."""
    heads: dict[str, Any] = {
        "pointpillars": {
            "align": "centers",
            "direction_offset_rad": 0.785,
            "anchors": {
                "car": {"size_lwh_m": [3.9, 1.6, 1.5], "bottom_m": -1.8, "yaw_rad": [0, 1.57]},
                "walker": {"size_lwh_m": [0.8, 0.6, 1.7], "bottom_m": -0.6, "yaw_rad": [0, 1.57]},
            },
        },
        "centerpoint": {
            "tasks": [1, 1],
            "shared_channels": 6,
            "channels": 5,
            "convs": 2,
            "kernel": 3,
        },
    }
    return {
        "name": "small",
        "family": family,
        "file": "small.onnx",
        "classes": ["car", "walker"],
        "grid": {
            "range_m": [0.0, -3.0, -2.0, 4.0, 3.0, 1.0],
            "pillar_m": [0.5, 0.5],
            "max_points": 4,
            "max_pillars": 96,
            "features": ["x", "y", "z", "intensity", "mean_dx", "mean_dy", "mean_dz", "cell_dx"],
        },
        "trunk": {
            "pillar_channels": [6],
            "blocks": [
                {"stride": 2, "convs": 1, "channels": 4},
                {"stride": 2, "convs": 2, "channels": 6},
            ],
            "branches": [{"scale": 1, "channels": 5}, {"scale": 2, "channels": 3}],
        },
        "head": heads[family],
        "reading": {"score_threshold": 0.1, "nms_iou": 0.1},
        "sensor": SENSOR,
        "errors": {"car": ERROR, "walker": ERROR},
        "licence": "Apache-2.0",
        "card": "none",
    } | changes


@pytest.fixture
def make_manifest(tmp_path: Path) -> Callable[..., Manifest]:
    """That manifest with changes, read from a file."""

    def make(family: str, /, **changes: Any) -> Manifest:
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(content(family, **changes)))
        return load_manifest(path)

    return make


@pytest.fixture(params=["pointpillars", "centerpoint"])
def small(request: pytest.FixtureRequest, make_manifest: Callable[..., Manifest]) -> Manifest:
    return make_manifest(request.param)
